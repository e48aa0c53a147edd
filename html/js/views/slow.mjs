// Slow requests, finished and in progress: what each waited
// for, as a bar, and part by part where it is asked for.

import { $, children, el, put, putClass, putHidden, putToggle }
  from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { sorted } from '../store/store.mjs';
import { bar } from './cells.mjs';
import { createTable } from './table.mjs';

const kinds = {
  loop: 'held the event loop',
  wait: 'was ready, but the loop served others',
  upstream: 'waited for an upstream',
  client: 'waited for the client to send',
  sending: 'waited for the client to read',
  timer: 'waited for a timer',
  other: 'waited for a thread, or something else',
};

let current;
let table;
let ask;
const order = { path: 'time', down: true };

// what the server sorts by, for it has more than it tells
const sorts = { time: 'time', seconds: 'seconds', cpu_seconds: 'cpu',
                alloc_bytes: 'alloc', 'by.wait': 'wait',
                'by.upstream': 'upstream' };

export const slowSort = () => sorts[order.path] ?? 'time';

// "f" is called when the server is to sort otherwise

export const whenSorted = (f) => {
  ask = f;
};

const where = ({ server, location }) =>
  [server, location].filter((v) => v != null).join(' ') || 'none';

const percent = (part) => `${(100 * part).toFixed(2)}%`;

// Segments side by side: [kind, part of the whole, title]

function segments(node, list) {
  children(node, list, () => el('i')).forEach((item, i) => {
    const [kind, part, title] = list[i];

    putClass(item, `part-${kind}`);
    put(item, { text: '', title });
    item.style.width = percent(part);
  });
}

const shares = ({ by, seconds }) => Object.entries(by)
  .filter(([, s]) => s > 0)
  .sort(([, a], [, b]) => b - a)
  .map(([kind, s]) => [kind, seconds ? s / seconds : 0,
                       `${kind}: ${format.seconds(s)}`]);

// The parts of one, in their order, with for whom it waited; its upstreams

function describePart({ what, start_seconds: start, seconds, for: holder }) {
  const whom = holder?.server ?? holder?.location;

  return `${format.seconds(start)}: ${kinds[what]}, ${format.seconds(seconds)}`
         + (whom == null ? '' : `, for ${where(holder)}`);
}

const describeTry = ({ peer, status, connect_seconds: connected,
                       header_seconds: header, response_seconds: response,
                       start_seconds: start }) =>
  `${start === null ? '' : `${format.seconds(start)}: `}${peer}: `
  + `${status || 'no status yet'}, `
  + [['connected', connected], ['header', header], ['all', response]]
    .map(([name, s]) => `${name} ${s === null ? 'not yet' : format.seconds(s)}`)
    .join(', ');

const stamps = { accepted: 'accepted', tls: 'TLS handshake ended',
                 header: 'header complete', first_sent: 'first byte sent',
                 last_sent: 'last byte sent' };

const describeStamps = (at) => Object.entries(stamps)
  .filter(([name]) => at[name] != null)
  .map(([name, what]) => `${what} ${format.seconds(Math.abs(at[name]))} `
    + (at[name] < 0 ? 'before' : 'after') + ' it began').join(', ');

export function showParts(box, { seconds, parts, tries, joined, at }) {
  const line = el('span', { class: 'parts whole' });

  segments(line, parts.map((part) =>
    [part.what, seconds ? part.seconds / seconds : 0, describePart(part)]));

  box.replaceChildren(line,
    el('ol', { class: 'stack' }, ...parts.map((part) =>
      el('li', {}, describePart(part)))),
    el('p', { class: 'quiet' }, describeStamps(at)),
    ...joined ? [el('p', { class: 'quiet' }, 'The last part has all that follow.')]
      : [],
    ...tries.length ? [el('ul', { class: 'stack' }, ...tries.map((t) =>
      el('li', {}, describeTry(t))))] : []);
}

// The bar, and below it what is shown when it is opened

const cells = new WeakMap();

function makeWaits() {
  const line = el('span', { class: 'parts' });
  const text = el('summary');
  const box = el('div', { class: 'box' });
  const link = el('a', { class: 'trace', title: 'A file for ui.perfetto.dev' },
                  'Trace');

  return { line, text, box, link,
           details: el('details', {}, text, box, link) };
}

function showWaits(cell, item) {
  if (!cells.has(cell)) {
    const made = makeWaits();

    cell.append(made.line, made.details);
    cells.set(cell, made);
  }

  const { line, text, box, link, details } = cells.get(cell);
  const list = shares(item);

  segments(line, list);
  put(text, { text: list.length ? `${list[0][0]} ${format.fraction(list[0][1])}`
    : 'none' });

  if (item.live) {
    showParts(box, item);

  } else if (details.dataset.slow !== String(item.id)) {
    details.dataset.slow = String(item.id);
    link.href = `../api/profiling/slow/${item.id}?format=perfetto`;
    link.download = `slow-${item.id}.json`;
  }

  putHidden(link, item.live);
}

const columns = [
  { title: 'Time', path: 'time', left: true, format: (t) => format.clock(t) },
  { title: 'Took', path: 'seconds', render: (cell, item) =>
    bar(cell, item.part, {
      text: format.seconds(item.seconds) + (item.live ? ', in progress' : ''),
    }) },
  { title: 'Location', path: 'where', left: true, sort: false },
  { title: 'Request', path: 'request', left: true, sort: false },
  { title: 'Status', path: 'status', sort: false,
    format: (status) => status ? String(status) : 'none' },
  { title: 'What it waited for', path: 'by', left: true, sort: false,
    render: showWaits },
  { title: 'Upstream', path: 'by.upstream', format: format.seconds,
    hint: 'Waiting for upstreams' },
  { title: 'Wait', path: 'by.wait', format: format.seconds,
    hint: 'Ready, while the event loop served others' },
  { title: 'CPU', path: 'cpu_seconds', format: format.seconds },
  { title: 'Memory', path: 'alloc_bytes', format: format.bytes,
    hint: 'Allocated for it, freed since or not' },
];

const key = ({ id, worker, connection }) => id ?? `${worker} ${connection}`;

export function showSlow(state) {
  current = state;

  const answer = state.answers.slow;
  const list = answer.requests ?? [];
  const longest = Math.max(...list.map(({ seconds }) => seconds), 1e-9);
  const wanted = $('slow-filter').value.toLowerCase();

  const rows = list.map((item) => ({
    ...item,
    part: item.seconds / longest,
    where: where(item),
    request: `${item.method ?? ''} ${item.uri}`.trim(),
  })).filter(({ where: place, request }) =>
    `${place} ${request}`.toLowerCase().includes(wanted));

  table ??= createTable($('slow'), {
    columns,
    key: (item) => String(key(item)),
    order,
    onsort: () => {
      showSlow(current);
      ask();
    },
    row: (tr, { live }) => putToggle(tr, 'live', live),
  });

  const live = list.filter((item) => item.live).length;

  putHidden($('slow-part'), !answer.keep);
  putHidden($('slow-panel'), !list.length);
  table.show(sorted(rows, order), { ...answer, unavailable: {} });

  put($('slow-note'), {
    text: list.length
      ? `Kept since nginx started: ${format.count(answer.total)}, beyond the `
        + `rate: ${format.count(answer.dropped)}, in progress: ${live}.`
      : 'No request was slow.',
  });
}

children($('slow-legend'), Object.keys(kinds), () => el('li'))
  .forEach((item, i) => {
    const [kind, meaning] = Object.entries(kinds)[i];

    item.append(el('i', { class: `part-${kind}` }), kind);
    item.title = meaning;
  });

$('slow-filter').addEventListener('input', () => current && showSlow(current));
