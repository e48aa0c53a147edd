// The captures of this visit: flame graph and table of one of them, or of the
// difference of two.

import { children, el, forgetColours, put, putClass, save } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { keyOf, sorted } from '../store/store.mjs';
import { bar } from '../views/cells.mjs';
import { createTable } from '../views/table.mjs';
import { createFlame } from './flame.mjs';
import { byLocation, firstType, functions, labels, matched, search, tree }
  from './model.mjs';
import { decode } from './proto.mjs';
import { openSpeedscope } from './speedscope.mjs';

const most = 10;    // captures that are kept
const few = 12;     // rows of the table

// the first that there are labels for is what is shown first
const groupings = [
  ['server, location', ['server', 'location']],
  ['nothing', []],
];

// what a profile without a time of its own is of, and what was sampled

const spans = {
  heap: 'in use when it was taken, of what the workers allocated themselves',
  allocs: 'since the start of nginx',
  block: 'since the start of nginx',
  mutex: 'since the start of nginx',
};

const rates = { heap: 'allocated, on average', allocs: 'on average' };

const fileName = ({ kind, time }) =>
  `${kind === 'profile' ? 'cpu' : kind}-${Math.floor(time / 1000)}.prof`;

const select = (label, onchange) => {
  const node = el('select', { onchange });

  return { node, box: el('label', {}, `${label} `, node) };
};

// [value, text] of each option; the value that was chosen stays, if it can

function options(node, list) {
  const { value, length } = node;

  node.replaceChildren(...list.map(([v, text]) => el('option', { value: v },
                                                     text)));
  node.value = length && list.some(([v]) => v === value) ? value : list[0][0];
}

export function createPanel(root, { say, measured }) {
  const captures = [];
  let current = null;
  let view = null;        // what is shown of it
  let all = false;
  const order = { path: 'self', down: true };

  const type = select('Show', () => render());
  const by = select('Group by', () => render());
  const filter = select('Only', () => render());
  const other = select('Compare with', () => render());

  const find = el('input', { type: 'search', placeholder: 'Search functions',
                             'aria-label': 'Search functions',
                             oninput: () => searched() });

  const reset = el('button', { onclick: () => flame.reset() }, 'Reset zoom');
  const full = el('button', { onclick: () => fullScreen() }, 'Full screen');

  const download = el('button', {
    onclick: () => save(new Blob([current.bytes]), fileName(current)),
  }, 'Download');

  const speedscope = el('button', {
    title: 'In a new window',
    onclick: () => openSpeedscope(current, say),
  }, 'Open in speedscope');

  const tabs = el('div', { class: 'tabs', role: 'group',
                           'aria-label': 'Captures' });
  const summary = el('p', { class: 'summary', id: 'profile-summary' });
  const hits = el('p', { class: 'quiet', role: 'status' });

  const canvas = el('canvas', {
    tabindex: 0, role: 'application', 'aria-label': 'Flame graph',
    'aria-describedby': 'profile-summary',
    'aria-roledescription': 'flame graph: arrow keys move, Enter zooms, '
                            + 'Escape shows all',
  });

  const detail = el('p', { class: 'detail', 'aria-live': 'polite' });
  const legend = el('p', { class: 'legend quiet' });
  const graph = el('div', { class: 'graph' }, detail,
                   el('div', { class: 'canvas' }, canvas), legend);

  const top = el('table', { class: 'figures', 'aria-label': 'Functions' });
  const against = el('table', { class: 'figures',
                                'aria-label': 'Functions, compared' });
  const more = el('button', { class: 'link', onclick: () => {
    all = !all;
    showTable();
  } });

  root.replaceChildren(
    tabs,
    el('div', { class: 'bar-of-tools options' }, type.box, by.box, filter.box,
       other.box, find, hits),
    el('div', { class: 'bar-of-tools options' }, summary, reset, full,
       download, speedscope),
    graph,
    el('div', { class: 'scroll', tabindex: 0, role: 'group',
                'aria-label': 'Functions' }, top, against),
    el('p', { class: 'foot' }, more));

  const flame = createFlame(canvas, {
    onhover: describe,
    onzoom: (node) => {
      reset.disabled = !node;
      describe(node);
    },
  });

  reset.disabled = true;
  flame.repaint();


  const unit = () => view.unit;

  const show = (value) => (unit()(value) ?? 'n/a') + (view.perSecond ? '/s' : '');

  const rise = (value) => (format.signed(unit())(value) ?? 'n/a')
                          + (view.perSecond ? '/s' : '');

  const share = (value, of) => of ? format.fraction(value / of) : 'n/a';

  // What stands above the graph: the frame under the pointer

  function describe(node) {
    if (!node) {
      put(detail, { text: view ? 'Point at a frame, or use the arrow keys. '
                                 + 'Click or Enter zooms, Escape shows all.'
                               : '' });
      return;
    }

    const { frame: { name, module, file }, total, self, before } = node;
    const of = view.root;

    put(detail, {
      text: [
        name,
        `${show(total)} (${share(total, of.total)})`,
        view.compared && `before ${show(before)} (${share(before, of.before)}),`
                         + ` ${rise(total - before)}`,
        !view.compared && self && `${show(self)} in itself`,
        module,
        file,
      ].filter(Boolean).join(' · '),
    });
  }

  function searched() {
    const test = search(find.value);
    const part = test && matched(view.root, test);

    flame.find(test);
    put(hits, {
      text: !test ? '' : part ? `${format.fraction(part)} is in what matches`
                              : 'nothing matches',
    });
    showTable();
  }

  const columns = [
    { title: 'Function', path: 'frame.name', left: true, render: functionCell },
    { title: 'Module', path: 'frame.module', left: true,
      format: (v) => v || 'unknown' },
  ];

  function functionCell(cell, { key, frame }) {
    if (!cell.firstElementChild) {
      cell.append(el('button', {
        class: 'link', title: 'Zoom to it',
        onclick: () => {
          const wanted = cell.dataset.key;

          flame.zoomTo((f) => f.name + f.module === wanted);
          graph.scrollIntoView({ block: 'nearest' });
        },
      }));
    }

    cell.dataset.key = key;
    put(cell.firstElementChild, { text: frame.name, title: frame.file });
  }

  const cell = (path, of = 'total') => (node, row) =>
    bar(node, view.root[of] ? Math.abs(row[path] / view.root[of]) : 0,
        { text: `${share(row[path], view.root[of])}` });

  const value = (path) => (node, row) => put(node, { text: show(row[path]) });

  const onsort = () => showTable();

  const one = createTable(top, {
    key: (row) => row.key, order, onsort,
    columns: [
      ...columns,
      { title: 'Self', path: 'self', render: value('self'),
        hint: 'In the function itself' },
      { title: 'Self %', path: 'self', sort: false, render: cell('self') },
      { title: 'Total', path: 'total', render: value('total'),
        hint: 'With all that it calls' },
      { title: 'Total %', path: 'total', sort: false, render: cell('total') },
    ],
  });

  const orderTwo = { path: 'size', down: true };

  const two = createTable(against, {
    key: (row) => row.key, order: orderTwo, onsort,
    columns: [
      ...columns,
      { title: 'Self before', path: 'beforeSelf',
        render: value('beforeSelf') },
      { title: 'Self now', path: 'self', render: value('self') },
      { title: 'Change', path: 'size', render: (node, row) => {
        const d = row.self - row.beforeSelf;

        put(node, { text: (d > 0 ? '▲ ' : d < 0 ? '▼ ' : '')
                          + rise(d) });
        putClass(node, d > 0 ? 'grew' : d < 0 ? 'shrank' : '');
      }, hint: 'Of the function itself; sorted by its size' },
      { title: 'Total now', path: 'total', render: value('total') },
      { title: 'Total %', path: 'total', sort: false, render: cell('total') },
    ],
  });

  function showTable() {
    const test = search(find.value);

    const rows = functions(view.root)
      .map((row) => ({ ...row, size: Math.abs(row.self - row.beforeSelf) }))
      .filter(({ frame }) => !test || test(frame));

    const list = sorted(rows, view.compared ? orderTwo : order)
      .slice(0, all ? 1000 : few);

    top.hidden = view.compared;
    against.hidden = !view.compared;
    (view.compared ? two : one).show(list, {});

    more.hidden = rows.length <= few;
    put(more, { text: all ? `Show ${few}`
                          : `Show ${rows.length - list.length} more` });
  }

  function showLegend() {
    const items = view.compared ? [] : flame.legend();
    const text = '▲ orange: grew; ▼ blue: shrank; grey: the same. Widths are '
                 + 'the sum of both captures.';

    legend.replaceChildren(...(view.compared ? [text]
      : items.map(([name, colour]) => {
        const swatch = el('i', { class: 'swatch' });

        swatch.style.background = colour;

        return el('span', {}, swatch, name);
      })));
  }

  function showTabs() {
    children(tabs, captures, () => el('span', { class: 'tab' },
      el('button', { onclick: ({ currentTarget: b }) =>
        choose(captures[[...tabs.children].indexOf(b.parentNode)]) }),
      el('button', { class: 'link', onclick: ({ currentTarget: b }) =>
        remove(captures[[...tabs.children].indexOf(b.parentNode)]) }, '✕')))
      .forEach(({ children: [button, gone] }, i) => {
        const name = title(captures[i]);

        put(button, { text: name });
        button.setAttribute('aria-pressed', captures[i] === current);
        gone.setAttribute('aria-label', `Forget ${name}`);
      });
  }

  const title = ({ label, time, worker }) =>
    `${label}${worker === null ? '' : `, worker ${worker}`}, `
    + format.clock(time);

  const comparable = () => captures.filter((c) =>
    c !== current && c.kind === current.kind);

  function choices() {
    const { profile } = current;

    options(type.node, profile.types.map((t, i) => [String(i),
      `${t.type.replaceAll('_', ' ')}, ${t.unit}`]));
    type.box.hidden = profile.types.length < 2;

    const of = labels(profile, Number(type.node.value));
    const keys = [...of.keys()].sort();

    const groupBy = groupings.filter(([, list]) =>
      list.every((key) => of.has(key)));

    options(by.node, [...groupBy.map(([name, list]) => [list.join(), name]),
                      ...keys.map((key) => [key, key])]);

    const kept = filter.node.value;

    filter.node.replaceChildren(el('option', { value: '' }, 'everything'),
      ...keys.map((key) => el('optgroup', { label: key },
        ...[...of.get(key)].slice(0, 50).map(([v]) =>
          el('option', { value: JSON.stringify({ key, value: v }) },
             `${key} ${v}`)))));
    filter.node.value = kept;
    filter.node.value ||= '';

    options(other.node, [['', 'nothing'], ...comparable().map((c) =>
      [String(captures.indexOf(c)), title(c)])]);
    other.box.hidden = !comparable().length;

    by.box.hidden = filter.box.hidden = !keys.length;
  }

  function tell() {
    const { root: { total, before } } = view;
    const { profile, kind, seconds } = current;
    const used = profile.types[view.type];
    const span = profile.duration || seconds;

    const parts = [
      `${used ? used.type.replaceAll('_', ' ') : ''} ${show(total)}`.trim(),
      view.compared && `before ${show(before)}, `
        + rise(total - before),
      span ? `taken over ${format.seconds(span)}` : spans[kind],
      profile.period > 1 && kind in rates
        && `one sample every ${format.bytes(profile.period)} ${rates[kind]}`,
      kind === 'profile' && !view.compared && span
        && `${format.fraction(total / 1e9 / span)} of one processor`,
      ...profile.comments.slice(0, 3),
    ];

    put(summary, { text: profile.samples.length
      ? parts.filter(Boolean).join(' · ')
      : 'There is no sample in this profile: nothing of that kind happened.' });
  }

  function render() {
    if (!current) {
      return;
    }

    choices();

    const { profile } = current;
    const index = Number(type.node.value);
    const with_ = other.node.value === '' ? null
                                          : captures[other.node.value].profile;

    view = {
      ...tree(profile, {
        type: index,
        by: by.node.value ? by.node.value.split(',') : [],
        filter: filter.node.value ? JSON.parse(filter.node.value) : null,
        other: with_,
      }),
      type: index,
      unit: format.ofUnit(profile.types[index]?.unit),
    };

    // a difference may be negative, and speedscope takes no such values
    const negative = profile.samples.some((s) => s.values[index] < 0);

    speedscope.disabled = negative;
    speedscope.title = negative ? 'speedscope takes no negative values'
                                : 'In a new window';

    flame.show(view.root, view.compared);
    tell();
    describe(null);
    reset.disabled = true;
    showLegend();
    searched();
    showTabs();
  }

  function choose(capture) {
    const another = current?.kind !== capture.kind;

    current = capture;

    if (another) {
      choices();
      type.node.value = String(firstType(capture.profile, capture.kind));
    }

    render();
  }

  function remove(capture) {
    const i = captures.indexOf(capture);

    captures.splice(i, 1);
    other.node.value = '';

    if (!captures.length) {
      current = null;
      root.hidden = true;

    } else if (capture === current) {
      choose(captures[Math.max(0, i - 1)]);

    } else {
      render();
    }
  }

  function fullScreen() {
    if (document.fullscreenElement) {
      document.exitFullscreen();

    } else {
      root.requestFullscreen?.();
    }
  }

  full.hidden = !document.fullscreenEnabled;

  document.addEventListener('fullscreenchange', () => {
    put(full, { text: document.fullscreenElement ? 'Leave full screen'
                                                 : 'Full screen' });
  });

  return {
    // {kind, label, worker, seconds, time, bytes}
    async add(capture) {
      capture.profile = await decode(capture.bytes);
      captures.push(capture);

      if (captures.length > most) {
        captures.shift();
        other.node.value = '';
      }

      root.hidden = false;

      if (capture.kind === 'profile') {
        tellLocations(capture);
      }

      choose(capture);
    },

    repaint() {
      forgetColours();
      flame.repaint();

      if (view) {
        showLegend();
      }
    },
  };

  // the column CPU of the table of locations
  function tellLocations({ profile, time, seconds }) {
    const { total, values, outside } =
      byLocation(profile, firstType(profile, 'profile'), keyOf);

    measured(total > 0 ? {
      total,
      values,
      outside: format.fraction(outside / total),
      title: `${format.nanoseconds(total)} in the profile of `
             + `${format.seconds(seconds)} at ${format.clock(time)}`,
    } : null);
  }
}
