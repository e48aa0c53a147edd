// What went wrong, and the profile that was kept of each.

import { $, el, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';

function row({ id, time, reason, message, server, location, profile }) {
  const where = [server, location].filter((v) => v != null).join(' ');

  return el('tr', {},
    el('th', { scope: 'row', class: 'left', title: time }, format.clock(time)),
    el('td', { class: 'left bad' }, reason),
    el('td', { class: 'left wide' }, message),
    el('td', { class: 'left' }, where || 'none'),
    el('td', { class: 'left' }, profile
      ? el('button', { class: 'link', 'data-incident': String(id) },
           'Flame graph')
      : 'none'));
}

let listed = '';

export function showIncidents({ answers: { incidents } }) {
  const list = incidents.incidents ?? [];
  const now = list.map(({ id, profile }) => `${id}${profile}`).join();

  put($('incidents-note'), {
    text: list.length
      ? 'What was recorded from 60 s before each to 30 s after is kept.'
      : incidents.keep ? 'Nothing went wrong.'
        : 'No incidents are kept: profiling_incidents is off.',
  });

  putHidden($('incidents-panel'), !list.length);

  if (now !== listed) {
    listed = now;
    $('incidents').replaceChildren(...list.map(row));
  }
}
