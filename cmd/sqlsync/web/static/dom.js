// Elements, and numbers and times as people read them.

const svgNS = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((c) => c != null));
  return node;
}

export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(svgNS, tag), attributes, children);
export const byID = (id) => document.getElementById(id);

// table makes one whose cells carry their column's name, for narrow screens.
export function table(columns, rows) {
  const head = el('tr', {}, ...columns.map((c) => el('th', { scope: 'col', class: c.number ? 'number' : null }, c.name)));
  const body = rows.map((row) => el('tr', {}, ...columns.map((c, i) => {
    const attributes = { 'data-label': c.name, class: c.number ? 'number' : null };
    return i === 0 ? el('th', { scope: 'row' }, row[i]) : el('td', attributes, Array.isArray(row[i]) ? el('span', {}, ...row[i]) : row[i]);
  })));
  return el('table', {}, el('thead', {}, head), el('tbody', {}, ...body));
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const number = (n) => (Math.abs(n) < 100000 ? whole.format(n) : compact.format(n));

export const count = (n, one, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;

export function bytes(n) {
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (n < 1000) return `${n < 10 && unit !== 'B' ? n.toFixed(1) : whole.format(n)} ${unit}`;
    n /= 1000;
  }
  return `${n.toFixed(1)} TB`;
}

export function seconds(s) {
  if (s < 1) return s > 0 ? '<1 s' : '0 s';
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

export function when(text) {
  const t = new Date(text);
  const sameDay = t.toDateString() === new Date().toDateString();
  return el('time', { datetime: text, title: text }, sameDay ? t.toLocaleTimeString() : t.toLocaleString());
}

export const shortKey = (key) => key.slice(0, 'sqlsync1'.length + 8);

// value shows one JSON value of a row as SQL would.
export function value(v) {
  if (v === null) return 'NULL';
  if (typeof v !== 'object') return typeof v === 'string' ? v : String(v);
  if ('$int' in v) return v.$int;
  if ('$real' in v) return v.$real;
  if ('$blob' in v) return `blob, ${bytes(Math.floor(v.$blob.replace(/=+$/, '').length * 3 / 4))}`;
  return JSON.stringify(v);
}

export const row = (object) => Object.entries(object).map(([name, v]) => `${name}=${value(v)}`).join(' ');

// names says who a key is.
export function nameOf(db, key) {
  if (key === db.key) return 'this node';
  return db.peers.find((p) => p.key === key)?.name ?? shortKey(key);
}
