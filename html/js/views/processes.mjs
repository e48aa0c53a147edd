// Processes that serve no requests: the master, and helpers such as those of caches.

import { $, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { sortedTable } from './table.mjs';

let table;
const order = { path: 'process', down: false };

const columns = [
  { title: 'Process', path: 'process', left: true },
  { title: 'PID', path: 'pid', format: format.text },
  { title: 'State', path: 'state', left: true,
    format: (state) => state ?? 'waits for signals' },
  { title: 'CPU time', path: 'cpu', format: format.seconds },
  { title: 'Memory', path: 'anonymous', format: format.bytes,
    hint: 'Resident, without files' },
  { title: 'Descriptors', path: 'descriptors', format: format.count },
  { title: 'Busy', path: 'busy_seconds', format: format.seconds,
    hint: 'Time that its event loop worked; the master has none' },
  { title: 'Longest pass', path: 'longest_pass_seconds', format: format.seconds },
];

const sum = (...values) =>
  values.every(Number.isFinite) ? values.reduce((a, b) => a + b) : null;

export function showProcesses({ answers: { metrics } }) {
  const rows = (metrics.processes ?? []).map((item) => ({
    ...item,
    cpu: sum(item.user_seconds, item.system_seconds),
  }));

  table ??= sortedTable($('processes'), {
    columns,
    key: ({ pid }) => String(pid),
    order,
  });

  putHidden($('processes-part'), !rows.length);
  table.show(rows, metrics);
}
