// The picture of this node and its peers.
import { svg, count, seconds } from './dom.js';

const states = {
  connected: 'connected', retrying: 'trying again', refused: 'refused', idle: 'not connected',
};

const doing = (p) => {
  if (p.lag_rows > 0) return `lacks ${count(p.lag_rows, 'row')}, ${seconds(p.lag_seconds)}`;
  if (p.missing > 0) return `has ${count(p.missing, 'batch', 'batches')} for us`;
  return p.state === 'connected' ? 'has everything' : '';
};

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function node(x, y, name, lines, className) {
  const self = className === 'self' ? ' self' : '';
  return svg('g', {},
    svg('circle', { class: `node ${className}`, cx: x, cy: y, r: 20 }),
    svg('text', { class: `initial${self}`, x, y: y + 5, 'text-anchor': 'middle' }, name.slice(0, 2)),
    ...[name, ...lines].map((text, i) => svg('text', { class: i ? 'small' : '', x, y: y + 37 + i * 16, 'text-anchor': 'middle' }, text)));
}

export function drawMesh(into, db) {
  const width = Math.max(280, into.clientWidth - 26);
  const n = db.peers.length;
  const letters = Math.floor(width / (n > 2 ? 3 : 2) / 7.2);
  const height = n > 2 ? 300 + Math.max(0, n - 6) * 22 : 190;
  const middle = { x: width / 2, y: n > 2 ? height / 2 - 20 : 60 };
  const at = (i) => {
    if (n <= 2) return { x: i === 0 ? width * 0.82 : width * 0.18, y: middle.y };
    const angle = (2 * Math.PI * i) / n - Math.PI / 2;
    return { x: middle.x + (width / 2 - 75) * Math.cos(angle), y: middle.y + (height / 2 - 62) * Math.sin(angle) };
  };
  const edges = db.peers.map((p, i) => {
    const to = at(i);
    return svg('line', { class: `edge ${p.state}`, x1: middle.x, y1: middle.y, x2: to.x, y2: to.y });
  });
  const nodes = db.peers.map((p, i) => {
    const { x, y } = at(i);
    return node(x, y, cut(p.name, letters), [states[p.state] ?? p.state, cut(doing(p), letters)], p.state);
  });
  const told = db.peers.map((p) => `${p.name} ${states[p.state] ?? p.state} ${doing(p)}`).join('; ') || 'no peers yet';
  into.replaceChildren(svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `This node and its peers: ${told}` },
    ...edges, ...nodes, node(middle.x, middle.y, 'this node', n ? [] : ['no peers yet'], 'self')));
}
