// The start and the latest reloads: how long each stage took, and which names
// the master waited for.

import { $, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { createTable } from './table.mjs';

let table;

const host = ({ host: name, seconds, failed }) =>
  `${name} ${format.seconds(seconds)}${failed ? ', failed' : ''}`;

// the slowest is what there is room for, the others are in the hint

function names(cell, { names: list }) {
  const all = [...list].sort((a, b) => b.seconds - a.seconds).map(host);

  put(cell, {
    text: all.length > 1 ? `${all[0]} and ${format.count(all.length - 1)} more`
                         : all[0] ?? '',
    title: all.join('\n'),
  });
}

// a reload says itself which of its figures are not known, and why

const figure = (title, path, shown, hint) => ({
  title,
  path,
  hint,
  render: (cell, item) => put(cell, format.field(item, path, shown, item)),
});

const stage = (title, name, hint) =>
  figure(title, `stages.${name}`, format.seconds, hint);

const columns = [
  { title: 'Gen', path: 'generation', format: format.count,
    hint: 'Generation: 1 is the start' },
  { title: 'Begun', path: 'begun', format: format.date, left: true },
  { title: 'Took', path: 'seconds', format: format.seconds,
    hint: 'Until the new workers were started' },
  stage('Configuration', 'configuration', 'Read, names and certificates included'),
  stage('Names', 'names', 'Looked up, all of them'),
  stage('Certificates', 'certificates', 'Read from their files'),
  stage('Zones', 'zones', 'Shared memory, logs and sockets opened'),
  stage('Fork', 'fork', 'Workers started'),
  stage('First request', 'first_request', 'Of the new workers'),
  stage('Drain', 'drain', 'Until the last older worker had gone'),
  figure('Master before', 'master_memory_before', format.bytes,
         'Its memory, resident, without files'),
  figure('Master after', 'master_memory_after', format.bytes),
  { title: 'Slowest name', path: 'names', left: true, render: names,
    hint: 'Host and time, with all of them as the hint' },
];

export function showReloads({ answers: { reloads } }) {
  const rows = reloads.reloads ?? [];

  table ??= createTable($('reloads'), {
    columns,
    key: ({ generation }) => String(generation),
  });

  putHidden($('reloads-part'), !rows.length);
  table.show(rows, reloads);
}
