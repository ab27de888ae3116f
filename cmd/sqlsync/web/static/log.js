// The last changes.
import { el, row, when, nameOf } from './dom.js';

const most = 50;
const lines = new Map(); // by database, the newest first

// clearLog forgets: a new connection begins with the last lines.
export const clearLog = () => lines.clear();

export function addLog(path, news) {
  lines.set(path, [...news.reverse(), ...(lines.get(path) ?? [])].slice(0, most));
}

export function drawLog(into, db) {
  const list = lines.get(db.path) ?? [];
  if (list.length === 0) {
    into.replaceChildren(el('p', { class: 'quiet empty' }, 'Nothing yet.'));
    return;
  }
  into.replaceChildren(el('ol', {}, ...list.map((l) => el('li', {},
    when(l.time), el('span', { class: `op-${l.op}` }, l.baseline ? 'baseline' : l.op), el('b', {}, l.table), el('span', {}, row(l.key)),
    el('span', { class: 'values mono' }, l.cut ? '(too large to show)' : row(l.values)), el('span', { class: 'quiet' }, nameOf(db, l.origin))))));
}
