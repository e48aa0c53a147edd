// Tables of rows that stay what they are: a row belongs to a key, and moves
// when the order changes.

import { children, el, put, putClass } from './dom.mjs';
import { field } from './format.mjs';

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
    const tr = el('tr');

    columns.forEach(({ left }, i) =>
      tr.append(el(i ? 'td' : 'th', { class: left ? 'left' : '',
                                      scope: i ? null : 'row' })));

    return tr;
  };

  const fill = (tr, item, answer) => {
    columns.forEach(({ path, format, left, render }, i) => {
      const cell = tr.children[i];

      if (render) {
        render(cell, item, answer);
        return;
      }

      const shown = field(item, path, format, answer);

      // a long name is cut short
      put(cell, left ? { title: shown.text, ...shown } : shown);
      cell.classList.toggle('none', shown.text === 'n/a');
    });

    row?.(tr, item);
  };

  mark();

  return {
    show(items, answer) {
      const gone = new Set(rows.keys());

      items.forEach((item, i) => {
        const name = key(item);

        gone.delete(name);

        if (!rows.has(name)) {
          rows.set(name, make());
        }

        const tr = rows.get(name);

        fill(tr, item, answer);

        if (body.children[i] !== tr) {
          body.insertBefore(tr, body.children[i] ?? null);
        }
      });

      for (const name of gone) {
        rows.get(name).remove();
        rows.delete(name);
      }
    },
  };
}

// A cell with a bar as wide as its part of one

export function bar(cell, part, shown) {
  if (!cell.firstElementChild) {
    cell.append(el('i', { class: 'bar' }), el('span'));
    cell.classList.add('share');
  }

  const width = `${(100 * (part ?? 0)).toFixed(1)}%`;

  if (cell.dataset.width !== width) {
    cell.dataset.width = width;
    cell.firstElementChild.style.width = width;
  }

  put(cell.lastElementChild, shown);
  cell.classList.toggle('none', shown.text === 'n/a');
}

// A list of lines that is shown when it is asked for

export function stack(frames, summary) {
  const list = el('ol', { class: 'stack' });

  children(list, frames, () => el('li'))
    .forEach((item, i) => put(item, { text: frames[i] }));

  return el('details', {}, el('summary', {}, summary), list);
}
