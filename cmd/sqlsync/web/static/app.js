// Keeps the page as the server says things are.
import { byID, el } from './dom.js';
import { drawMesh } from './mesh.js';
import { drawLag, drawFlow, keep, remember } from './charts.js';
import { drawFigures, drawPeers, drawDatasets } from './lists.js';
import { drawTables, drawNotes } from './tables.js';
import { drawConflicts } from './conflicts.js';
import { drawLog, addLog, clearLog } from './log.js';

let state = null;
const marks = {};
const seen = new Map();

const chosen = () => state.databases.find((d) => d.path === byID('database').value) ?? state.databases[0];

function draw() {
  const db = chosen();
  if (!db) return;
  byID('name').textContent = state.databases.length > 1 ? '' : db.name;
  document.title = `${db.name} – sqlsync`;
  byID('logout').hidden = !state.login;
  const health = byID('health');
  const text = state.health.ok ? 'healthy' : 'not healthy';
  if (health.textContent !== text) health.textContent = text; // it is read aloud
  health.className = `badge ${state.health.ok ? 'ok' : 'bad'}`;
  drawFigures(byID('figures'), db);
  drawMesh(byID('mesh'), db);
  drawPeers(byID('peers'), db);
  drawDatasets(byID('datasets'), db);
  drawLag(byID('lag'), db.path);
  drawFlow(byID('flow'), db.path);
  drawNotes(byID('notes'), state, db);
  lists(db);
}

// lists asks for what is too long to come with every state.
function lists(db) {
  const changed = (name, mark) => {
    const now = `${db.path} ${mark}`;
    const is = marks[name] !== now;
    marks[name] = now;
    return is;
  };
  if (changed('conflicts', db.conflict_mark)) drawConflicts(byID('conflicts'), byID('said'), db);
  if (changed('tables', `${db.config_mark} ${news(db)}`)) drawTables(byID('tables'), db, draw);
  if (changed('log', '')) drawLog(byID('log'), db);
}

// news is how many changes there were, as of a while ago: rows are counted, and
// that takes long in large tables.
function news(db) {
  const was = seen.get(db.path);
  if (was && state.time - was.time < 20000) return was.changes;
  const is = { time: state.time, changes: db.sealed + db.applied };
  seen.set(db.path, is);
  return is.changes;
}

function choose() {
  const select = byID('database');
  const paths = state.databases.map((d) => d.path);
  byID('choose').hidden = paths.length < 2;
  if (select.options.length !== paths.length) {
    select.replaceChildren(...state.databases.map((d) => el('option', { value: d.path }, d.path)));
  }
}

function say(text, className) {
  const live = byID('live');
  live.textContent = text;
  live.className = `badge ${className}`;
}

function connect() {
  const source = new EventSource('/api/live');
  source.addEventListener('history', (e) => {
    clearLog();
    remember(JSON.parse(e.data));
  });
  source.addEventListener('state', (e) => {
    state = JSON.parse(e.data);
    for (const db of state.databases) keep(state.time, db);
    say('live', 'ok');
    choose();
    draw();
  });
  source.addEventListener('log', (e) => {
    for (const [path, lines] of Object.entries(JSON.parse(e.data))) addLog(path, lines);
    if (state) drawLog(byID('log'), chosen());
  });
  source.addEventListener('error', async () => {
    say('reconnecting', 'warn');
    if (source.readyState !== EventSource.CLOSED) return;
    const answer = await fetch('/health').catch(() => null);
    if (answer?.status === 401) location.assign('/login');
    else setTimeout(connect, 3000);
  });
}

byID('database').addEventListener('change', draw);
addEventListener('resize', () => { if (state) draw(); });
connect();
