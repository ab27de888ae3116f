// Lag and throughput over the last minutes.
import { el, svg, number } from './dom.js';

const span = 10 * 60 * 1000;
const past = new Map(); // samples by database

export function remember(all) {
  for (const [path, list] of Object.entries(all)) past.set(path, list);
}

// keep notes a state as the last sample. States come more often than samples
// are wanted: those that are close together become one.
export function keep(time, db) {
  const list = past.get(db.path) ?? [];
  past.set(db.path, list);
  if (list.length > 1 && time - list.at(-2).time < 1900) list.pop();
  list.push({ time, lag: Object.fromEntries(db.datasets.map((d) => [d.dataset, d.lag_rows])), sealed: db.sealed, applied: db.applied });
  while (list.length && list[0].time < time - span) list.shift();
}

export function drawLag(into, path) {
  const list = past.get(path) ?? [];
  const names = Object.keys(list.at(-1)?.lag ?? {});
  draw(into, names.map((name) => ({ name, points: list.map((s) => [s.time, s.lag[name] ?? 0]) })), 'changes');
}

export function drawFlow(into, path) {
  const list = past.get(path) ?? [];
  const rate = (field) => list.slice(1).map((s, i) => {
    const before = list[i];
    return [s.time, Math.max(0, s[field] - before[field]) / Math.max(0.2, (s.time - before.time) / 1000)];
  });
  draw(into, [{ name: 'written here', points: rate('sealed') }, { name: 'from peers', points: rate('applied') }], 'changes a second');
}

const nice = (n) => {
  const scale = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 4, 10].map((k) => k * scale).find((k) => k >= n);
};

function draw(into, series, unit) {
  const width = Math.max(260, into.clientWidth);
  const height = 170;
  const box = { left: 46, right: width - 8, top: 10, bottom: height - 24 };
  const newest = Math.max(0, ...series.map((s) => s.points.at(-1)?.[0] ?? 0));
  const top = nice(Math.max(4, ...series.flatMap((s) => s.points.map((p) => p[1]))));
  const x = (t) => box.right - ((newest - t) / span) * (box.right - box.left);
  const y = (v) => box.bottom - (v / top) * (box.bottom - box.top);
  const parts = [0, 0.5, 1].flatMap((part) => [
    svg('line', { class: 'grid', x1: box.left, x2: box.right, y1: y(top * part), y2: y(top * part) }),
    svg('text', { class: 'small', x: box.left - 6, y: y(top * part) + 4, 'text-anchor': 'end' }, number(top * part)),
  ]);
  for (const [minutes, anchor] of [[10, 'start'], [5, 'middle'], [0, 'end']]) {
    parts.push(svg('text', { class: 'small', x: x(newest - minutes * 60000), y: height - 6, 'text-anchor': anchor }, minutes ? `${minutes} min ago` : 'now'));
  }
  const lines = series.map((s, i) => svg('polyline', {
    class: `series s${(i % 6) + 1}`, points: s.points.map(([t, v]) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`).join(' '),
  }));
  const last = (s) => s.points.at(-1)?.[1] ?? 0;
  const told = series.map((s) => `${s.name} ${number(last(s))}`).join(', ');
  into.replaceChildren(
    svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${unit}, now: ${told}` }, ...parts, ...lines),
    el('ul', { class: 'legend' }, ...series.map((s, i) => el('li', {},
      svg('svg', { viewBox: '0 0 32 12', 'aria-hidden': 'true' }, svg('line', { class: `series s${(i % 6) + 1}`, x1: 0, x2: 32, y1: 6, y2: 6 })),
      `${s.name} ${number(last(s))}`))),
  );
}
