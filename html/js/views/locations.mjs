// A row for each location with requests.

import { $, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { recorded } from '../store/past.mjs';
import { keyOf, locations, sorted } from '../store/store.mjs';
import { bar } from './cells.mjs';
import { createTable } from './table.mjs';

const { field } = format;

let current;
let places;
let measured = null;
const order = { path: 'seconds', down: true };
let all = false;
const few = 25;

const locationColumns = [
  { title: 'Location', path: 'location', left: true },
  { title: 'Server', path: 'server', left: true },
  { title: 'Share of CPU', path: 'cpu',
    hint: 'Share of the CPU time that is recorded, or of the last CPU profile',
    render: (cell, item) => bar(cell, item.cpu, item.cpu === null
      ? { text: 'n/a', title: 'No CPU time is recorded yet' }
      : { text: format.fraction(item.cpu) }) },
  { title: 'Share of time', path: 'seconds',
    hint: 'Share of the time that all requests took, waiting included',
    render: (cell, item, answer) => bar(cell, item.share,
      field(item, 'share', format.fraction, answer)) },
  { title: 'Requests', path: 'requests', format: format.count },
  { title: 'Rate', path: 'rate', format: format.perSecond,
    hint: 'Requests per second since the last update' },
  { title: 'Errors', path: 'errors', format: format.count,
    hint: 'Responses with status 500 or higher' },
  { title: '4xx', path: 'by_status.4xx', format: format.count },
  { title: 'Sent', path: 'bytes_out', format: format.bytes },
  { title: 'p50', path: 'latency.p50', format: format.seconds },
  { title: 'p99', path: 'latency.p99', format: format.seconds },
  { title: 'Upstream p99', path: 'upstream.latency.p99',
    format: format.seconds, hint: 'Only of requests that went to an upstream' },
  { title: 'Loop', path: 'cost.loop_seconds', format: format.seconds,
    hint: 'How long requests held event loops' },
  { title: 'Memory', path: 'cost.alloc_bytes', format: format.bytes,
    hint: 'Allocated for requests, freed since or not' },
  { title: 'CPU of 1,000', path: 'cost.thousand', format: format.seconds,
    hint: 'CPU time of a thousand requests, on average' },
];

export function showLocations(state) {
  current = state;

  const { locations: answer } = state.answers;

  places ??= createTable($('locations'), {
    columns: locationColumns,
    key: keyOf,
    order,
    onsort: () => showLocations(current),
  });

  // who asks for the CPU wants to see what uses most of it
  if (state.cpu !== measured) {
    measured = state.cpu;
    places.sort(measured ? 'cpu' : 'seconds');
  }

  // what was measured; else what requests cost, if that is counted; else what
  // is recorded
  const billed = answer.locations?.some(({ cost }) => cost?.cpu_seconds > 0);
  const cpu = state.cpu ?? (billed ? null
    : recorded(state.answers.timeline, format.fraction));
  const { rows, unused } =
    locations(answer.locations ?? [], state.rates, cpu);

  const wanted = $('locations-filter').value.toLowerCase();

  const found = rows.filter(({ server, location }) =>
    `${server} ${location}`.toLowerCase().includes(wanted));

  const list = sorted(found, order).slice(0, all ? Infinity : few);

  places.show(list, answer);

  const more = found.length - list.length;

  putHidden($('locations-all'), !more && !all);
  put($('locations-all'), { text: all ? `Show ${few}` : `Show ${more} more` });

  const lost = field(answer, 'lost', format.count).text;

  put($('locations-note'), {
    text: [
      'Since nginx started.',
      cpu && `CPU: ${cpu.title}, ${cpu.outside} of it outside of all `
             + 'locations.',
      wanted && `${found.length} of ${rows.length} match.`,
      unused && `${unused} without requests ${unused > 1 ? 'are' : 'is'} not shown.`,
      lost !== '0' && `${lost} are counted together: profiling_zone is too small for them.`,
    ].filter(Boolean).join(' '),
  });
}

const again = () => current && showLocations(current);

$('locations-filter').addEventListener('input', again);

$('locations-all').addEventListener('click', () => {
  all = !all;
  again();
});
