// What is in the cells of tables, and beside figures.

import { children, el, put, putToggle } from '../base/dom.mjs';
import { missing } from '../base/format.mjs';

// Parts of a text, each a text or what format.field() gives, as one of those

export const note = (...parts) => ({
  text: parts.map((part) => part.text ?? part).join(''),
  title: parts.map((part) => part.title).find(Boolean),
});

// A cell with a bar as wide as its part of one

const bars = new WeakMap();

export function bar(cell, part, shown) {
  if (!bars.has(cell)) {
    const [line, text] = [el('i', { class: 'bar' }), el('span')];

    cell.append(line, text);
    cell.classList.add('share');
    bars.set(cell, { line, text, width: '' });
  }

  const kept = bars.get(cell);
  const width = `${Math.min(100, 100 * (part ?? 0)).toFixed(1)}%`;

  if (kept.width !== width) {
    kept.line.style.width = kept.width = width;
  }

  put(kept.text, shown);
  putToggle(cell, 'none', missing(shown.text));
}

// A list of lines that is shown when it is asked for

export function stack(frames, summary) {
  const list = el('ol', { class: 'stack' });

  children(list, frames, () => el('li'))
    .forEach((item, i) => put(item, { text: frames[i] }));

  return el('details', {}, el('summary', {}, summary), list);
}
