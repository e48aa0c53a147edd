// The latest pauses: how long, where, and what held the event loop up.

import { $, el, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { bar, note, stack } from './cells.mjs';

const { field } = format;

// The list changes seldom, and then by a few rows at its top.

let current;
let pausesAll = false;

// "9.80 ms running, 1.00 ms blocked"
const split = (pause) => [['on_cpu_ns', 'running'],
                          ['blocked_ns', 'blocked'],
                          ['other_ns', 'other']]
  .filter(([name]) => pause[name] > 0)
  .map(([name, what]) => `${format.nanoseconds(pause[name])} ${what}`)
  .join(', ');

function pauseRow(pause, longest) {
  const { worker, time, duration_ns: ns, cause, location, server } = pause;
  const list = (pause.stack ?? []).map(format.frame);
  const cell = el('td', { class: 'share' });

  bar(cell, ns / longest, { text: format.nanoseconds(ns) ?? 'n/a' });

  const where = [server, location].filter((v) => v != null).join(' ');
  const none = 'unknown: no stack was sampled in this pause';

  return el('tr', {},
    el('th', { scope: 'row', class: 'left', title: time },
       format.clock(time)),
    el('td', {}, String(worker)),
    cell,
    el('td', { class: 'left', title: split(pause) }, split(pause) || 'n/a'),
    el('td', { class: 'left', title: where || null }, where || 'none'),
    el('td', { class: 'left', title: cause == null ? none : null },
       cause == null ? 'n/a' : String(cause)),
    el('td', { class: 'left wide' },
       list.length ? stack(list, list[0])
                   : el('span', { class: 'quiet' }, 'no stack')));
}

// "backend / 45%, site /assets/ 20%, not known 35%"

function blame(list) {
  const sums = new Map();
  const all = list.reduce((sum, { duration_ns: ns }) => sum + ns, 0);

  for (const { server, location, duration_ns: ns } of list) {
    const place = server == null ? 'no location'
      : [server, location].filter((v) => v != null).join(' ');

    sums.set(place, (sums.get(place) ?? 0) + ns);
  }

  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, 4)
    .map(([place, ns]) => `${place} ${format.fraction(ns / all)}`).join(', ');
}

let pausesShown = '';

export function showPauses(state) {
  current = state;

  const { gc } = state.answers;
  const list = gc.recent ?? [];
  const longest = Math.max(...list.map((p) => p.duration_ns), 1);
  const limit = pausesAll ? Infinity : 8;
  const rows = list.slice(0, limit);
  const now = JSON.stringify(rows) + longest;

  const get = (path, f) => field(gc, path, f);

  put($('pauses-note'), note(
    get('num_gc', format.count), ' passes of an event loop took longer than ',
    get('threshold_ms', format.milliseconds), ', ',
    get('pause_total', format.nanoseconds), ' in total, ',
    get('gc_cpu_fraction', format.fraction), ' of the workers\u2019 time.',
    list.length ? ` The latest ${list.length} by location: ${blame(list)}.` : ''));

  putHidden($('pauses-panel'), !list.length);
  putHidden($('pauses-all'), list.length <= 8);
  put($('pauses-all'), {
    text: pausesAll ? 'Show 8' : `Show ${list.length - 8} more`,
  });

  if (now === pausesShown) {
    return;
  }

  pausesShown = now;

  // the stacks that are open stay open
  const open = new Set([...$('pauses').querySelectorAll('details[open]')]
    .map((d) => d.closest('tr').dataset.key));

  $('pauses').replaceChildren(...rows.map((pause) => {
    const row = pauseRow(pause, longest);

    row.dataset.key = `${pause.worker} ${pause.time} ${pause.duration_ns}`;

    if (open.has(row.dataset.key)) {
      row.querySelector('details')?.setAttribute('open', '');
    }

    return row;
  }));
}

$('pauses-all').addEventListener('click', () => {
  pausesAll = !pausesAll;
  showPauses(current);
});
