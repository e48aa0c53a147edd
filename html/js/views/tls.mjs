// Handshakes: a row for each protocol, key and result.

import { $, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { sortedTable } from './table.mjs';

let table;
const order = { path: 'cpu.sum', down: true };

const time = (us) => format.seconds(us / 1e6);

const columns = [
  { title: 'With', path: 'side', left: true },
  { title: 'Protocol', path: 'protocol', left: true },
  { title: 'Key', path: 'key', left: true },
  { title: 'Result', path: 'result', left: true },
  { title: 'Handshakes', path: 'handshakes', format: format.count },
  { title: 'CPU', path: 'cpu.sum', format: time,
    hint: 'CPU time of all of them' },
  { title: 'CPU p50', path: 'cpu.p50', format: time },
  { title: 'Time p50', path: 'wall.p50', format: time,
    hint: 'Waiting for the peer included' },
  { title: 'Time p99', path: 'wall.p99', format: time },
];

export function showTls(state) {
  const answer = state.answers.tls;

  const rows = (answer.handshakes ?? []).map((item) => ({
    ...item,
    result: item.resumed ? `${item.result}, resumed` : item.result,
  }));

  table ??= sortedTable($('tls'), {
    columns,
    key: ({ side, protocol, key, result }) =>
      [side, protocol, key, result].join('|'),
    order,
  });

  putHidden($('tls-part'), !rows.length);
  table.show(rows, answer);

  put($('tls-note'), {
    text: `Since nginx started. ${format.fraction(answer.cpu_share ?? 0)} of the `
      + 'CPU time of the workers.',
  });
}
