// Caches: what became of requests, by zone and location, and how full they are.

import { $, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { sortedTable } from './table.mjs';

let table;
const order = { path: 'requests', down: true };

const kinds = ['hit', 'miss', 'expired', 'revalidated', 'stale', 'updating',
               'bypass'];

const columns = [
  { title: 'Location', path: 'location', left: true },
  { title: 'Server', path: 'server', left: true },
  { title: 'Zone', path: 'zone', left: true },
  { title: 'Requests', path: 'requests', format: format.count },
  { title: 'Hits', path: 'ratio', format: format.fraction,
    hint: 'Share of the requests' },
  ...kinds.slice(1).map((path) => ({
    title: path[0].toUpperCase() + path.slice(1), path, format: format.count })),
  { title: 'Lock waits', path: 'lock_waits', format: format.count,
    hint: 'Requests that waited for another one to fill the cache' },
];

const zone = ({ name, size, limit, loader }) =>
  `${name}: ${format.bytes(size)}${limit ? ` of ${format.bytes(limit)}` : ''}`
  + (loader === 'done' ? '' : `, ${loader === 'loading' ? 'is being read'
                                                        : 'not read yet'}`);

export function showCaches(state) {
  const answer = state.answers.caches;

  const rows = (answer.locations ?? []).map((item) => {
    const requests = kinds.reduce((n, kind) => n + item[kind], 0);

    return { ...item, requests, ratio: item.hit / requests };
  });

  table ??= sortedTable($('caches'), {
    columns,
    key: (item) => `${item.zone} ${item.server} ${item.location}`,
    order,
  });

  putHidden($('caches-part'), !(answer.zones ?? []).length);
  table.show(rows, answer);

  put($('caches-note'), { text: (answer.zones ?? []).map(zone).join('; ') });
}
