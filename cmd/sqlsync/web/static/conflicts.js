// Conflicts with both images, and what can be done about them.
import { el, count, row, value, when, nameOf } from './dom.js';

const path = (db, rest) => `/api/conflicts${rest}?db=${encodeURIComponent(db.path)}`;

export async function drawConflicts(into, said, db) {
  into.dataset.db = db.path;
  const answer = await fetch(path(db, '')).catch(() => null);
  if (into.dataset.db !== db.path) return; // another was chosen meanwhile
  if (!answer?.ok) {
    into.replaceChildren(el('p', { class: 'card bad' }, 'The conflicts could not be read.'));
    return;
  }
  const { conflicts, all, resolvable } = await answer.json();
  if (into.dataset.db !== db.path) return;
  if (all === 0) {
    into.replaceChildren(el('p', { class: 'card quiet' }, 'None. What loses to a concurrent change is kept and shown here.'));
    return;
  }
  const act = (c, verb, button) => resolve(c, verb, button, said, db);
  const more = all > conflicts.length ? [el('p', { class: 'quiet' }, `The newest ${conflicts.length} of ${count(all, 'conflict')}.`)] : [];
  const label = into.contains(document.activeElement) && document.activeElement.getAttribute('aria-label');
  into.replaceChildren(...more, ...conflicts.map((c) => card(c, db, resolvable ? act : null)));
  if (label) into.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus(); // where it was
}

// mends are the kinds that go by themselves when the rows are mended.
const mends = ['unique', 'check', 'foreign_key'];

function card(c, db, act) {
  if (!c.table) return el('article', { class: 'card conflict' }, el('p', {}, `Conflict ${c.id} is too large to show: sqlsync conflicts show ${c.id}`));
  const name = `${c.table} ${row(c.key)}`;
  return el('article', { class: 'card conflict', 'aria-label': `Conflict in ${name}` },
    el('h3', {}, el('span', {}, name), el('span', { class: 'quiet' }, c.kind), el('span', { class: 'quiet' }, when(c.time)), el('code', { class: 'quiet' }, c.id)),
    c.cut ? el('p', { class: 'quiet' }, `The values are too large for this page: sqlsync conflicts show ${c.id}`) : el('div', { class: 'sides' },
      side('Kept', 'kept', c.winner, c.loser, nameOf(db, c.winner_origin)),
      side('Lost', 'lost', c.loser, c.winner, nameOf(db, c.loser_origin))),
    act && !mends.includes(c.kind) && el('div', { class: 'actions' },
      button('Put back what was lost', `Put back what was lost in ${name}`, (e) => act(c, 'restore', e.currentTarget)),
      button('Dismiss', `Dismiss the conflict in ${name}`, (e) => act(c, 'dismiss', e.currentTarget))));
}

const button = (text, label, onclick) => el('button', { type: 'button', 'aria-label': label, onclick }, text);

function side(title, className, image, other, who) {
  const names = Object.keys(image);
  const body = names.length === 0 ? el('p', { class: 'quiet' }, 'no row') : el('dl', {}, ...names.flatMap((name) => {
    const differs = name in other && JSON.stringify(other[name]) !== JSON.stringify(image[name]);
    return [el('dt', {}, name), el('dd', { class: differs ? 'differs' : null }, value(image[name]))];
  }));
  return el('div', { class: `side ${className}` }, el('h4', {}, `${title}, by ${who}`), body);
}

async function resolve(c, verb, button, said, db) {
  button.disabled = true;
  const answer = await fetch(path(db, `/${encodeURIComponent(c.id)}/${verb}`), { method: 'POST', headers: { 'Sqlsync-Request': '1' } }).catch(() => null);
  if (answer?.ok) {
    said.className = 'said ok';
    said.textContent = verb === 'restore' ? `What was lost in ${c.table} is back.` : 'The conflict was dismissed.';
    const article = button.closest('article');
    const next = article.nextElementSibling ?? article.previousElementSibling;
    article.remove();
    next?.querySelector('button')?.focus();
    return;
  }
  button.disabled = false;
  const why = await answer?.json().catch(() => null);
  said.className = 'said bad';
  said.textContent = why ? [why.error, why.hint].filter(Boolean).join('; ') : 'The server did not answer.';
}
