// The connections of all workers, those with the same stack together.

import { el, put } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { stack } from '../views/cells.mjs';

const limit = 1000;
const shown = 200;   // rows of a group

const columns = [
  ['Worker', 'worker', String],
  ['State', 'state', String],
  ['Action', 'action', String],
  ['Waiting', 'wait_seconds', format.seconds],
  ['Kind', 'kind', String],
  ['Client', 'client', String],
  ['Server', 'server', String],
  ['Location', 'location', String],
  ['Request', null],
  ['Upstream', 'upstream', String],
  ['Pool', 'pool_bytes', format.bytes],
];

const request = ({ method, uri }) =>
  [method, uri].filter((v) => v != null).join(' ');

const left = new Set(['Worker', 'State', 'Action', 'Kind', 'Client', 'Server', 'Location',
                      'Request', 'Upstream']);

// Groups of one stack: {frames, list}, the largest first; in each the one first
// that waits longest

export function grouped(list) {
  const groups = new Map();

  for (const item of list) {
    const frames = (item.stack ?? []).map(format.frame);
    const key = JSON.stringify(frames);

    if (!groups.has(key)) {
      groups.set(key, { frames, list: [] });
    }

    groups.get(key).list.push(item);
  }

  groups.forEach(({ list: of }) => of.sort((a, b) =>
    (b.wait_seconds ?? 0) - (a.wait_seconds ?? 0)));

  return [...groups.values()].sort((a, b) => b.list.length - a.list.length);
}

// What is searched for may be in any field, and in the stack

export function matching(list, text) {
  const wanted = text.trim().toLowerCase();

  return !wanted ? list : list.filter((item) =>
    JSON.stringify(Object.values(item)).toLowerCase().includes(wanted));
}

function rowOf(item) {
  return el('tr', {}, ...columns.map(([title, field, f], i) => {
    const value = field ? item[field] : request(item);

    // a worker that hangs cannot be asked; else there is none of it
    const none = item.state === 'stuck' ? 'n/a' : '';
    const text = value == null || value === '' ? none : (f ?? String)(value);

    return el(i ? 'td' : 'th', {
      class: left.has(title) ? 'left' : '', scope: i ? null : 'row',
      title: text === 'n/a' ? 'the worker does not answer'
           : left.has(title) ? text : null,
    }, text);
  }));
}

const tally = (list, field) => {
  const counts = new Map();

  list.forEach((item) => {
    const value = item[field];

    if (value != null && value !== '') {
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  });

  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3)
    .map(([value, n]) => n === list.length ? value : `${n} ${value}`)
    .join(', ');
};

function groupOf({ frames, list }, open) {
  const longest = Math.max(...list.map((i) => i.wait_seconds ?? 0));

  const title = [
    tally(list, 'state'),
    tally(list, 'kind'),
    tally(list, 'location'),
    `longest wait ${format.seconds(longest) ?? 'n/a'}`,
  ].filter(Boolean).join(' · ');

  const details = el('details', { class: 'group', 'data-key': frames.join('\n') },
    el('summary', {}, el('b', {}, format.count(list.length)), ' ',
       el('code', {}, frames[0] ?? 'no handler'), ' ',
       el('span', { class: 'quiet' }, title)));

  // rows are made when they are looked at
  const fill = () => {
    if (!details.open || details.children.length > 1) {
      return;
    }

    details.append(
      ...(frames.length ? [stack(frames, 'Stack')] : []),
      el('div', { class: 'scroll', tabindex: 0, role: 'group',
                  'aria-label': 'Connections of this stack' },
         el('table', { class: 'figures' },
            el('thead', {}, el('tr', {}, ...columns.map(([name]) =>
              el('th', { scope: 'col', class: left.has(name) ? 'left' : '' },
                 name)))),
            el('tbody', {}, ...list.slice(0, shown).map(rowOf)))),
      ...(list.length > shown
        ? [el('p', { class: 'quiet' },
              `${format.count(list.length - shown)} more`)] : []));
  };

  details.addEventListener('toggle', fill);

  if (open) {
    details.open = true;
    fill();
  }

  return details;
}

export function createConnections(root, { api }) {
  const field = document.getElementById('connections-filter');
  const note = el('p', { class: 'quiet', role: 'status' });
  const groups = el('div');

  let answer = null;

  field.addEventListener('input', () => show());

  function show() {
    if (!answer) {
      return;
    }

    const list = answer.goroutines;

    if (!Array.isArray(list)) {
      groups.replaceChildren();
      put(note, { text: `${format.count(answer.count) ?? 'n/a'} connections. `
        + (answer.unavailable?.stack_trace ?? 'They are not listed.') });
      return;
    }

    const found = matching(list, field.value);

    const open = new Set([...groups.querySelectorAll('.group[open]')]
      .map((node) => node.dataset.key));

    groups.replaceChildren(...grouped(found).map((group) =>
      groupOf(group, open.has(group.frames.join('\n')))));

    put(note, {
      text: `${format.count(answer.count)} connections at `
        + `${format.clock(answer.timestamp)}`
        + (list.length < answer.count
           ? `, ${format.count(list.length)} of them listed` : '')
        + (found.length < list.length
           ? `, ${format.count(found.length)} match` : '')
        + (answer.workers ?? []).filter(({ answer: a }) =>
          a && a !== 'answered').map(({ pid, answer: a }) =>
          `; worker ${pid} is ${a}`).join(''),
    });
  }

  return {
    // "open": the first group is
    async load({ open = false } = {}) {
      root.replaceChildren(note, groups);
      put(note, { text: 'Asking the workers' });

      try {
        answer = await api.get(`goroutines?limit=${limit}`);

      } catch (error) {
        put(note, { text: `The list could not be loaded: ${error.message}` });
        return;
      }

      show();

      if (open) {
        groups.firstElementChild?.setAttribute('open', '');
      }
    },
  };
}
