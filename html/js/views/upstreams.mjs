// A row for each peer of an upstream: which peer, and which step.

import { $, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { sortedTable } from './table.mjs';

let peers;
const order = { path: 'last_byte.sum', down: true };

const failed = ['error', 'timeout', 'invalid_header', 'no_live', '5xx'];

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
const time = (us) => format.seconds(us / 1e6);

const columns = [
  { title: 'Upstream', path: 'name', left: true },
  { title: 'Peer', path: 'peer', left: true },
  { title: 'Tries', path: 'tries', format: format.count },
  { title: 'Failed', path: 'failed', format: format.count,
    hint: 'Errors, timeouts, invalid headers, and responses of status 5xx' },
  { title: 'Retried', path: 'retried', format: format.count,
    hint: 'Tries after which another peer was tried' },
  { title: 'In flight', path: 'in_flight', format: format.count },
  { title: 'Reused', path: 'reuse_ratio', format: format.fraction,
    hint: 'Share of the tries over a connection that was kept alive' },
  { title: 'Connect p99', path: 'connect.p99', format: time },
  { title: 'First byte p50', path: 'first_byte.p50', format: time },
  { title: 'First byte p99', path: 'first_byte.p99', format: time },
  { title: 'Last byte p99', path: 'last_byte.p99', format: time },
  { title: 'Received', path: 'bytes_received', format: format.bytes },
];

export function showUpstreams(state) {
  const answer = state.answers.upstreams;

  const rows = (answer.peers ?? []).map((item) => ({
    ...item,
    name: item.upstream ?? 'found by name',
    peer: item.peer ?? 'no live peer',
    failed: failed.reduce((n, name) => n + (item.results[name] ?? 0), 0),
    retried: sum(item.retries),
  }));

  peers ??= sortedTable($('upstreams'), {
    columns,
    key: ({ name, peer }) => `${name} ${peer}`,
    order,
  });

  putHidden($('upstreams-part'), !rows.length);
  peers.show(rows, answer);

  put($('upstreams-note'), {
    text: 'Since nginx started.'
      + (answer.lost ? ` ${format.count(answer.lost)} are not counted:`
                       + ' profiling_zone is too small.' : ''),
  });
}
