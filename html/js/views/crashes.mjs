// Workers that died: of what, where, and for whom; the report of each, as a text.

import { $, el, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';

const end = ({ reason, signal, exit_code: code }) =>
  `${reason}: ${signal ?? `exit code ${code}`}`;

function crashRow(report) {
  const { id, time, worker, server, location, request } = report;
  const where = [server, location].filter((v) => v != null).join(' ');
  const whom = request ? `${request.method} ${request.uri}` : 'none';

  const details = el('details', { 'data-report': String(id) },
    el('summary', {}, report.function ?? 'report'),
    el('button', { class: 'link' }, 'Copy for a bug report'),
    el('pre', { class: 'report', tabindex: '0' }));

  return el('tr', {},
    el('th', { scope: 'row', class: 'left', title: time }, format.clock(time)),
    el('td', {}, String(worker)),
    el('td', { class: 'left bad' }, end(report)),
    el('td', { class: 'left' }, where || 'none'),
    el('td', { class: 'left' }, whom),
    el('td', { class: 'left wide', title: report.summary }, details));
}

let crashesShown = '';

export function showCrashes({ answers: { crashes } }) {
  const list = crashes.reports ?? [];
  const now = list.map(({ id }) => id).join();

  put($('crashes-note'), {
    text: list.length
      ? `Workers that have died: ${format.count(crashes.total)}, `
        + `reports that are kept: ${list.length}.`
      : 'No worker has died.',
  });

  putHidden($('crashes-panel'), !list.length);

  if (now !== crashesShown) {
    crashesShown = now;
    $('crashes').replaceChildren(...list.map(crashRow));
  }
}
