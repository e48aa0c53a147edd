// Tables of rows that stay what they are: a row belongs to a key, and moves
// when the order changes.

import { children, el, put, putToggle } from '../base/dom.mjs';
import { field } from '../base/format.mjs';

// columns: {title, path, format, hint, left, render(cell, item), sort}
// options: {key(item), columns, order, onsort, row(tr, item)}

export function createTable(node, { columns, key, order, onsort, row }) {
  const head = el('tr');
  const body = el('tbody');
  const rows = new Map();

  columns.forEach((column) => {
    const title = onsort && column.sort !== false
      ? el('button', { class: 'sort', onclick: () => sortBy(column) },
           column.title)
      : column.title;

    head.append(el('th', { scope: 'col', class: column.left ? 'left' : '',
                           title: column.hint }, title));
  });

  node.append(el('thead', {}, head), body);

  const mark = () => columns.forEach(({ path }, i) => {
    const sort = order && path === order.path
      ? (order.down ? 'descending' : 'ascending') : null;

    if (sort) {
      head.children[i].setAttribute('aria-sort', sort);

    } else {
      head.children[i].removeAttribute('aria-sort');
    }
  });

  function sortBy({ path, left }) {
    order.down = order.path === path ? !order.down : !left;
    order.path = path;
    mark();
    onsort();
  }

  const make = () => {
    const cells = columns.map(({ left }, i) =>
      el(i ? 'td' : 'th', { class: left ? 'left' : '',
                            scope: i ? null : 'row' }));

    return { tr: el('tr', {}, ...cells), cells };
  };

  const fill = ({ tr, cells }, item, answer) => {
    columns.forEach(({ path, format, left, render }, i) => {
      const cell = cells[i];

      if (render) {
        render(cell, item, answer);
        return;
      }

      const shown = field(item, path, format, answer);

      // a long name is cut short
      put(cell, left ? { title: shown.text, ...shown } : shown);
      putToggle(cell, 'none', shown.text === 'n/a');
    });

    row?.(tr, item);
  };

  mark();

  return {
    // by this column from now on, the largest first
    sort(path) {
      Object.assign(order, { path, down: true });
      mark();
    },

    show(items, answer) {
      const names = items.map(key);
      const wanted = new Set(names);

      // first, so that those that stay need not move
      rows.forEach(({ tr }, name) => {
        if (!wanted.has(name)) {
          tr.remove();
          rows.delete(name);
        }
      });

      let next = body.firstElementChild;

      items.forEach((item, i) => {
        const name = names[i];

        if (!rows.has(name)) {
          rows.set(name, make());
        }

        const one = rows.get(name);

        fill(one, item, answer);

        if (next === one.tr) {
          next = next.nextElementSibling;

        } else {
          body.insertBefore(one.tr, next);
        }
      });
    },
  };
}

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
  putToggle(cell, 'none', shown.text === 'n/a');
}

// A list of lines that is shown when it is asked for

export function stack(frames, summary) {
  const list = el('ol', { class: 'stack' });

  children(list, frames, () => el('li'))
    .forEach((item, i) => put(item, { text: frames[i] }));

  return el('details', {}, el('summary', {}, summary), list);
}
