// The table of functions below the graph: of one capture, or of two compared.

import { el, put, putClass } from '../base/dom.mjs';
import { sorted } from '../store/store.mjs';
import { bar } from '../views/cells.mjs';
import { createTable } from '../views/table.mjs';
import { functions } from './model.mjs';
import { amount, rise, share } from './texts.mjs';

const few = 12;     // rows

const value = (path) => (node, row, view) =>
  put(node, { text: amount(view, row[path]) });

const part = (path) => (node, row, { root }) =>
  bar(node, root.total ? Math.abs(row[path] / root.total) : 0,
      { text: share(row[path], root.total) });

function change(node, row, view) {
  const d = row.self - row.beforeSelf;

  put(node, { text: (d > 0 ? '▲ ' : d < 0 ? '▼ ' : '') + rise(view, d) });
  putClass(node, d > 0 ? 'grew' : d < 0 ? 'shrank' : '');
}

const ofOne = [
  { title: 'Self', path: 'self', render: value('self'),
    hint: 'In the function itself' },
  { title: 'Self %', path: 'self', sort: false, render: part('self') },
  { title: 'Total', path: 'total', render: value('total'),
    hint: 'In the function and all that it calls' },
  { title: 'Total %', path: 'total', sort: false, render: part('total') },
];

const ofTwo = [
  { title: 'Self before', path: 'beforeSelf', render: value('beforeSelf') },
  { title: 'Self now', path: 'self', render: value('self') },
  { title: 'Change', path: 'size', render: change,
    hint: 'In the function itself; sorted by size' },
  { title: 'Total now', path: 'total', render: value('total') },
  { title: 'Total %', path: 'total', sort: false, render: part('total') },
];

// "zoomTo" is called with a test of frames

export function createFunctions({ zoomTo }) {
  let view = null;
  let test = null;
  let all = false;

  const more = el('button', { class: 'link', onclick: () => {
    all = !all;
    show();
  } });

  const columns = [
    { title: 'Function', path: 'frame.name', left: true,
      render: (cell, row) => functionCell(cell, row, zoomTo) },
    { title: 'Module', path: 'frame.module', left: true,
      format: (v) => v || 'unknown' },
  ];

  const make = (label, path, those) => {
    const node = el('table', { class: 'figures', 'aria-label': label });
    const order = { path, down: true };

    return { node, order, table: createTable(node, {
      key: (row) => row.key, order, onsort: () => show(),
      columns: [...columns, ...those],
    }) };
  };

  const one = make('Functions', 'self', ofOne);
  const two = make('Functions, compared', 'size', ofTwo);

  function show() {
    const { node, order, table } = view.compared ? two : one;

    const rows = functions(view.root)
      .map((row) => ({ ...row, size: Math.abs(row.self - row.beforeSelf) }))
      .filter(({ frame }) => !test || test(frame));

    const list = sorted(rows, order).slice(0, all ? 1000 : few);

    one.node.hidden = two.node.hidden = true;
    node.hidden = false;
    table.show(list, view);

    more.hidden = rows.length <= few;
    put(more, { text: all ? `Show ${few}`
                          : `Show ${rows.length - list.length} more` });
  }

  return {
    parts: [
      el('div', { class: 'scroll', tabindex: 0, role: 'group',
                  'aria-label': 'Functions' }, one.node, two.node),
      el('p', { class: 'foot' }, more),
    ],

    // those of a view that pass a test, or all of them
    show(of, those) {
      view = of;
      test = those;
      show();
    },
  };
}

function functionCell(cell, { key, frame }, zoomTo) {
  if (!cell.firstElementChild) {
    cell.append(el('button', {
      class: 'link', title: 'Zoom to it',
      onclick: () => {
        const wanted = cell.dataset.key;

        zoomTo((f) => f.name + f.module === wanted);
      },
    }));
  }

  cell.dataset.key = key;
  put(cell.firstElementChild, { text: frame.name, title: frame.file });
}
