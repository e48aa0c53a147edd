// Tables of rows that stay what they are: a row belongs to a key, and moves
// when the order changes.

import { el, put, putToggle } from '../base/dom.mjs';
import { field, missing } from '../base/format.mjs';
import { sorted } from '../store/store.mjs';

// columns: {title, path, format, hint, left, render(cell, item), sort}
// options: {key(item), columns, order, onsort, row(tr, item)}

export function createTable(node, { columns, key, order, onsort, row }) {
  const body = el('tbody');
  const rows = new Map();

  const head = heading(columns, onsort && ((column) => {
    turn(order, column);
    markSorted(head, columns, order);
    onsort();
  }));

  node.append(el('thead', {}, head), body);
  markSorted(head, columns, order);

  return {
    // by this column from now on, the largest first
    sort(path) {
      Object.assign(order, { path, down: true });
      markSorted(head, columns, order);
    },

    show(items, answer) {
      const names = items.map(key);

      // first, so that those that stay need not move
      forget(rows, new Set(names));

      let next = body.firstElementChild;

      items.forEach((item, i) => {
        if (!rows.has(names[i])) {
          rows.set(names[i], emptyRow(columns));
        }

        const { tr, cells } = rows.get(names[i]);

        fill(cells, columns, item, answer);
        row?.(tr, item);

        if (next === tr) {
          next = next.nextElementSibling;

        } else {
          body.insertBefore(tr, next);
        }
      });
    },
  };
}

// A table of all rows there are, which sorts them by itself

export function sortedTable(node, options) {
  let latest;

  const table = createTable(node, { ...options, onsort: () => show(...latest) });

  function show(items, answer) {
    latest = [items, answer];
    table.show(sorted(items, options.order), { ...answer, unavailable: {} });
  }

  return { show };
}

// "sortBy" is called with a column; without it the order is what it is

function heading(columns, sortBy) {
  return el('tr', {}, ...columns.map((column) => {
    const title = sortBy && column.sort !== false
      ? el('button', { class: 'sort', onclick: () => sortBy(column) },
           column.title)
      : column.title;

    return el('th', { scope: 'col', class: column.left ? 'left' : '',
                      title: column.hint }, title);
  }));
}

// The other direction, or another column: numbers from the largest on

function turn(order, { path, left }) {
  order.down = order.path === path ? !order.down : !left;
  order.path = path;
}

function markSorted(head, columns, order) {
  columns.forEach(({ path }, i) => {
    if (order && path === order.path) {
      head.children[i].setAttribute('aria-sort',
                                    order.down ? 'descending' : 'ascending');

    } else {
      head.children[i].removeAttribute('aria-sort');
    }
  });
}

function emptyRow(columns) {
  const cells = columns.map(({ left }, i) =>
    el(i ? 'td' : 'th', { class: left ? 'left' : '',
                          scope: i ? null : 'row' }));

  return { tr: el('tr', {}, ...cells), cells };
}

function fill(cells, columns, item, answer) {
  columns.forEach(({ path, format, left, render }, i) => {
    if (render) {
      render(cells[i], item, answer);
      return;
    }

    const shown = field(item, path, format, answer);

    // a long name is cut short
    put(cells[i], left ? { title: shown.text, ...shown } : shown);
    putToggle(cells[i], 'none', missing(shown.text));
  });
}

function forget(rows, wanted) {
  rows.forEach(({ tr }, name) => {
    if (!wanted.has(name)) {
      tr.remove();
      rows.delete(name);
    }
  });
}
