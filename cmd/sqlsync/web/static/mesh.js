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

const line = (text, x, y, anchor, className) => svg('text', { class: className, x, y, 'text-anchor': anchor }, text);

// peer is a node with what there is to say of it beside it, away from the
// middle.
function peer(p, at, letters) {
  const anchor = at.side > 0 ? 'start' : 'end';
  const x = at.x + at.side * 30;
  return svg('g', {},
    svg('circle', { class: `node ${p.state}`, cx: at.x, cy: at.y, r: 20 }),
    line(p.name.slice(0, 2), at.x, at.y + 5, 'middle', 'initial'),
    line(cut(p.name, letters), x, at.y - 10, anchor, 'title'),
    line(states[p.state] ?? p.state, x, at.y + 6, anchor, 'small'),
    line(cut(doing(p), letters), x, at.y + 22, anchor, 'small'));
}

// drawMesh puts this node in the middle and peers on both sides of it, or on a
// narrow screen below each other on one side.
export function drawMesh(into, db) {
  const width = Math.max(260, into.clientWidth - 26);
  const n = db.peers.length;
  const sides = width >= 500 && n > 1 ? 2 : 1;
  const height = Math.max(150, Math.ceil(n / sides) * 66 + 16);
  const middle = { x: sides === 2 || n === 0 ? width / 2 : 40, y: height / 2 };
  const reach = sides === 2 ? 105 : Math.min(150, width * 0.34);
  const letters = Math.floor(((sides === 2 ? width / 2 : width - 40) - reach - 34) / 7.6);
  const at = (i) => {
    const side = sides === 2 && i % 2 ? -1 : 1;
    const rows = sides === 1 ? n : Math.ceil((n - i % 2) / 2);
    return { side, x: middle.x + side * reach, y: middle.y + (Math.floor(i / sides) - (rows - 1) / 2) * 66 };
  };
  const edges = db.peers.map((p, i) => {
    const to = at(i);
    const bend = middle.x + (to.side * reach) / 2;
    return svg('path', { class: `edge ${p.state}`, d: `M${middle.x} ${middle.y} C${bend} ${middle.y} ${bend} ${to.y} ${to.x} ${to.y}` });
  });
  const told = db.peers.map((p) => `${p.name} ${states[p.state] ?? p.state} ${doing(p)}`).join('; ') || 'no peers yet';
  into.replaceChildren(svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `This node and its peers: ${told}` },
    ...edges, ...db.peers.map((p, i) => peer(p, at(i), letters)),
    svg('circle', { class: 'node self', cx: middle.x, cy: middle.y, r: 20 }),
    svg('circle', { class: 'initial self', cx: middle.x, cy: middle.y, r: 6 }),
    line('this node', middle.x, middle.y + 38, 'middle', 'title over'),
    n === 0 ? line('no peers yet', middle.x, middle.y + 54, 'middle', 'small') : null));
}
