// Flame graphs of what is over: of a range of time that is dragged over or
// entered, alone or compared with as long before, and of incidents.

import { $ } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { query } from '../store/past.mjs';
import { whenMark, whenSelected } from '../views/charts.mjs';
import { whenRange } from '../views/heat.mjs';
import { say, state } from './page.mjs';
import { showFile } from './profiles.mjs';

let range = null;   // seconds since the epoch: [from, until]

const label = (from, until) =>
  `CPU, ${format.shortClock(from * 1000)} to ${format.shortClock(until * 1000)}`;

const fetchRange = (from, until, more) => showFile({
  path: `debug/pprof/profile?${query(from, until)}`,
  label: label(from, until),
  kind: 'profile',
  seconds: until - from,
  ...more,
});

export async function show(from, until) {
  range = [from, until];
  $('before').hidden = false;

  return fetchRange(from, until);
}

export async function compare() {
  if (!range) {
    return;
  }

  const [from, until] = range;
  const before = await fetchRange(2 * from - until, from, { go: false });

  if (before) {
    await fetchRange(from, until, { than: before });
  }
}

// "ago" and "for" of the form

export function pick() {
  if (!$('ago').reportValidity() || !$('lasted').reportValidity()) {
    return;
  }

  const ago = Number($('ago').value) * 60;
  const now = Date.parse(state.answers.metrics?.timestamp ?? Date()) / 1000;
  const until = now - ago + Number($('lasted').value);

  show(now - ago, Math.min(now, until));
}

export const incident = (id) => showFile({
  path: `api/profiling/incidents/${id}/profile`,
  label: `CPU, incident ${id}`,
  kind: 'profile',
  seconds: 90,
});

whenRange(show);
whenSelected(show);
whenMark(incident);

$('incidents').addEventListener('click', ({ target }) => {
  const { incident: id } = target.dataset;

  if (id) {
    say(`Incident ${id}`);
    incident(id);
  }
});
