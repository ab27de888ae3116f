// Figures, peers and datasets.
import { el, table, number, count, bytes, seconds, when } from './dom.js';

export function drawFigures(into, db) {
  const lag = Math.max(0, ...db.datasets.map((d) => d.lag_rows));
  const open = db.peers.filter((p) => p.state === 'connected').length;
  const figures = [
    [`${open} of ${db.peers.length}`, 'peers connected', open === db.peers.length ? '' : 'warn'],
    [number(lag), 'changes behind', ''],
    [number(db.datasets.reduce((n, d) => n + d.pending, 0)), 'rows to seal', ''],
    [number(db.conflicts), 'conflicts', db.conflicts ? 'warn' : ''],
    [number(db.violations), 'violations', db.violations ? 'warn' : ''],
    [number(db.quarantined), 'rows quarantined', db.quarantined ? 'warn' : ''],
  ];
  into.replaceChildren(...figures.map(([n, what, className]) => el('li', {}, el('b', { class: className }, n), el('span', {}, what))));
}

const stateClass = { connected: 'ok', retrying: 'warn', refused: 'bad', idle: 'quiet' };

export function drawPeers(into, db) {
  if (db.peers.length === 0) {
    into.replaceChildren(el('p', { class: 'quiet' }, 'None. ', el('code', {}, 'sqlsync remote add'), ' adds one.'));
    return;
  }
  into.replaceChildren(table(
    [{ name: 'Peer' }, { name: 'State' }, { name: 'Lacks', number: true }, { name: 'Behind', number: true }, { name: 'In sync' }, { name: 'Trouble' }],
    db.peers.map((p) => [
      p.name, el('span', { class: stateClass[p.state] }, p.state), p.push ? count(p.lag_rows, 'row') : '–', p.push ? seconds(p.lag_seconds) : '–',
      p.last_sync ? when(p.last_sync) : 'never', p.error,
    ])));
}

export function drawDatasets(into, db) {
  into.replaceChildren(table(
    [{ name: 'Dataset' }, { name: 'To seal', number: true }, { name: 'Behind', number: true }, { name: 'Batches', number: true }, { name: 'Size', number: true }],
    db.datasets.map((d) => [
      d.enabled ? d.dataset : `${d.dataset} (off)`, count(d.pending, 'row'), d.lag_rows ? `${count(d.lag_rows, 'row')}, ${seconds(d.lag_seconds)}` : '0',
      number(d.batches), bytes(d.bytes),
    ])));
}
