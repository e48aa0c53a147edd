// CPU time by module of nginx, since nginx started.

import { $, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { sortedTable } from './table.mjs';

let table;
const order = { path: 'cpu_seconds', down: true };

const columns = [
  { title: 'Module', path: 'module', left: true },
  { title: 'CPU time', path: 'cpu_seconds', format: format.seconds },
  { title: 'Share', path: 'share', format: format.fraction,
    hint: 'Of the CPU time of all modules' },
];

export function showModules(state) {
  const answer = state.answers.modules;
  const rows = (answer.modules ?? []).map((item) =>
    ({ ...item, module: item.module ?? '(none)' }));

  table ??= sortedTable($('modules'), {
    columns,
    key: (item) => item.module,
    order,
  });

  putHidden($('modules-part'), !rows.length);
  table.show(rows, answer);

  put($('modules-note'), {
    text: `Since nginx started, by ${answer.hertz} samples of each second of `
          + 'CPU time: the innermost module of each stack.',
  });
}
