// Tables with their verdicts, and what needs attention.
import { el, table, number } from './dom.js';

const query = (db) => `?db=${encodeURIComponent(db.path)}`;
const warnings = new Map(); // by database

export async function drawTables(into, db, then) {
  into.dataset.db = db.path;
  const answer = await fetch(`/api/tables${query(db)}`).catch(() => null);
  if (into.dataset.db !== db.path) return; // another was chosen meanwhile
  if (!answer?.ok) {
    into.replaceChildren(el('p', { class: 'bad' }, 'The tables could not be read.'));
    return;
  }
  const list = await answer.json();
  if (into.dataset.db !== db.path) return;
  into.replaceChildren(list.length === 0 ? el('p', { class: 'quiet' }, 'The database has no tables.') : table(
    [{ name: 'Table' }, { name: 'Watched' }, { name: 'Dataset' }, { name: 'Merge' }, { name: 'Key' }, { name: 'Rows', number: true }, { name: 'Verdict' }],
    list.map((t) => [
      t.table, t.watched ? 'yes' : 'no', t.dataset || '', t.merge || '', t.key.join(', '), t.rows < 0 ? '?' : number(t.rows),
      [el('span', { class: t.verdict === 'ok' ? (t.reason ? 'warn' : 'ok') : 'bad' }, t.verdict === 'ok' && t.reason ? 'waits' : t.verdict),
        t.reason ? `: ${t.reason}` : ''],
    ])));
  const status = await fetch(`/api/status${query(db)}`).catch(() => null);
  if (status?.ok) warnings.set(db.path, (await status.json()).warnings);
  then();
}

export function drawNotes(into, state, db) {
  const notes = [
    ...(db.error ? [[`The database cannot be read: ${db.error}`, 'bad']] : []),
    ...state.health.reasons.filter((r) => !db.error || !r.includes('cannot be read')).map((r) => [r, 'bad']),
    ...db.unreplicated.map((u) => [u, 'warn']),
    ...(warnings.get(db.path) ?? []).map((w) => [w, '']),
  ];
  const text = JSON.stringify(notes);
  if (into.dataset.text === text) return; // a reader's place in it is kept
  into.dataset.text = text;
  into.replaceChildren(...notes.map(([note, className]) => el('li', { class: className }, note)));
}
