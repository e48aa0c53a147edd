// State to document.

import { repaint, showCharts } from './charts.mjs';
import { $, children, el, pairs, put, putAttribute, putClass }
  from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { heapPercent, keyOf, locations, restarted, sorted }
  from '../store/store.mjs';
import { bar, createTable, stack } from './tables.mjs';

export { repaint };

const { field } = format;

const marks = {
  healthy: '● good',
  running: '● good',
  degraded: '▲ warn',
  draining: '◆ warn',
  unhealthy: '■ bad',
  stuck: '■ bad',
  ended: '○ quiet',
  died: '✕ bad',
};

const mark = (word) => (marks[word] ?? '? warn').split(' ');

export const shape = (word) => `${mark(word)[0]} ${word}`;

const look = (word) => mark(word)[1];


const note = (...parts) => ({
  text: parts.map((part) => part.text ?? part).join(''),
  title: parts.map((part) => part.title).find(Boolean),
});

function showStats({ answers: { metrics } }) {
  const get = (path, f) => field(metrics, `metrics.${path}`, f);

  const heap = format.percent(heapPercent(metrics.metrics?.memory));
  const inuse = get('memory.heap_inuse', format.bytes);

  pairs($('stats'), [
    ['Memory', get('memory.alloc', format.bytes),
     note(get('memory.sys', format.bytes), ' held, ',
          get('memory.usage_percent', format.percent), ' of limit')],
    ['Connections', get('goroutines', format.count),
     note(get('connections.active', format.count), ' clients, ',
          get('connections.upstream', format.count), ' upstream')],
    ['Pauses', get('gc.num_gc', format.count),
     note(get('gc.pause_percent', format.percent), ' of time, last ',
          get('gc.last_pause_ns', format.nanoseconds))],
    ['Heap usage', heap ? { text: heap } : { ...inuse, text: 'n/a' },
     note(inuse, ' of ', get('memory.heap_sys', format.bytes))],
    ['Uptime', field(metrics, 'uptime', format.uptime),
     note(get('requests.total', format.count), ' requests')],
    ['Request rate', get('request_rate', format.perSecond),
     note(get('error_rate', format.perSecond), ' errors, p99 ',
          get('requests.latency.p99', format.seconds))],
  ]);
}


function showStatus(status, icon) {
  put($('health'), { text: shape(status) });
  putClass($('health'), `status ${look(status)}`);
  put($('title'), { text: `${shape(status)} – nginx performance` });
  putAttribute($('icon'), 'href', `icons/${icon}.svg`);
}

function showHealth({ answers: { health } }) {
  const issues = (health.issues ?? []).map(String);

  if (health.more_issues > 0) {
    issues.push(`and ${health.more_issues} more`);
  }

  const known = Object.hasOwn(marks, health.status);
  const icon = known ? health.status : 'unknown';

  showStatus(health.status, icon);
  putClass($('issues'), `banner ${look(health.status)}-edge`);
  $('issues').hidden = !issues.length;
  children($('issues'), issues, () => el('li'))
    .forEach((item, i) => put(item, { text: issues[i] }));

}


// A worker that hangs makes no samples: what it holds is in the figures above,
// which are of its last one, and not in the end of the curves.

function showCurves(list, sample) {
  const silent = list.filter(({ state }) => state === 'stuck')
    .map(({ pid }) => pid);

  put($('curves-note'), {
    text: silent.length && sample?.workers < list.length
      ? `worker ${silent.join(', ')} is silent: its part is missing at the end`
      : '',
  });
}


let workers;
let onWorker;

function workerState(cell, item) {
  if (!cell.firstElementChild) {
    cell.append(el('span'), el('small'));
  }

  const { state, since, silent } = item;
  const ago = format.uptime(since / 1e3);

  put(cell.firstElementChild, { text: shape(state) });
  putClass(cell.firstElementChild, `status ${look(state)}`);
  put(cell.lastElementChild, {
    text: state === 'stuck'
            ? ` silent for ${format.seconds(silent) ?? 'n/a'}, figures from before`
        : item.ended ? ` ${ago} ago`
        : item.again ? ` restarted ${ago} ago`
        : state === 'draining' ? ' old generation' : '',
    title: item.issue ?? '',
  });
}

function workerPid(cell, { pid, ended }) {
  if (!cell.firstElementChild) {
    cell.append(el('button', { class: 'link' }));
  }

  const button = cell.firstElementChild;

  put(button, { text: String(pid), title: 'Show this worker alone' });
  button.setAttribute('aria-label', `Show worker ${pid} alone`);
  button.disabled = Boolean(ended);
}

const workerColumns = [
  { title: 'PID', path: 'pid', left: true, render: workerPid },
  { title: 'State', path: 'state', left: true, render: workerState },
  { title: 'Gen', path: 'generation', format: format.count,
    hint: 'Generation: grows with each reload' },
  { title: 'CPU', path: 'cpu.usage_percent', format: format.percent,
    render: (cell, item, answer) => bar(cell, item.cpu?.usage_percent / 100,
      field(item, 'cpu.usage_percent', format.percent, answer)),
    hint: 'Of one processor, over the last interval' },
  { title: 'Memory', path: 'memory.sys', format: format.bytes,
    hint: 'What the worker holds from the operating system' },
  { title: 'Connections', path: 'goroutines', format: format.count },
  { title: 'Requests', path: 'requests.total', format: format.count },
  { title: 'Rate', path: 'request_rate', format: format.perSecond,
    hint: 'Requests a second over the last interval' },
  { title: 'p99', path: 'requests.latency.p99', format: format.seconds,
    hint: '99 of 100 requests took no longer' },
  { title: 'Loop busy', path: 'event_loop.utilization',
    render: (cell, item, answer) => bar(cell, item.event_loop?.utilization,
      field(item, 'event_loop.utilization', format.fraction, answer)),
    hint: 'Share of the time in which the event loop was not waiting' },
  { title: 'Pass p99', path: 'event_loop.latency.p99', format: format.seconds,
    hint: '99 of 100 passes of the event loop took no longer' },
  { title: 'Pauses', path: 'gc.num_gc', format: format.count,
    hint: 'Passes that kept all other connections waiting for too long' },
];

const replaces = (worker, ended) => [...ended.values()].some((gone) =>
  gone.state === 'died' && gone.worker === worker.worker
  && gone.generation === worker.generation);

function showWorkers(state) {
  const { metrics, health, runtime } = state.answers;
  const now = Date.parse(metrics.timestamp);
  const issues = health?.issues ?? [];

  // health is asked for after this, and so is of the update before
  const later = Math.max(0, now - Date.parse(health?.timestamp)) / 1e3 || 0;

  const silent = new Map((health?.workers ?? []).map((w) =>
    [w.pid, w.silent_seconds + later]));

  const rows = (metrics.workers ?? []).map((worker) => {
    // one that took the place of another that was seen to die, or of one that
    // died before this page was opened
    const again = replaces(worker, state.ended)
      ? Math.max(0, now - Date.parse(worker.started))
      : restarted(worker, runtime, now);

    return {
      ...worker,
      again: again !== null && again < 600000,
      since: again,
      silent: silent.get(worker.pid),
      issue: issues.find((text) => String(text).includes(worker.pid)),
    };
  });

  rows.sort((a, b) => b.generation - a.generation || a.worker - b.worker);

  for (const gone of state.ended.values()) {
    rows.push({ ...gone, since: now - gone.ended });
  }

  workers ??= createTable($('workers'), {
    columns: workerColumns,
    key: ({ pid }) => pid,
    row: (tr, { pid, ended, state }) => {
      tr.onclick = ended ? null : () => onWorker(pid);
      putClass(tr, ended ? 'quiet' : state === 'stuck' ? 'pick old' : 'pick');
    },
  });

  workers.show(rows, metrics);
}


let places;
let measured = null;
const order = { path: 'seconds', down: true };
let all = false;
const few = 25;

const locationColumns = [
  { title: 'Location', path: 'location', left: true },
  { title: 'Server', path: 'server', left: true },
  { title: 'Share of CPU', path: 'cpu',
    hint: 'Of the CPU time in the last CPU profile; sort by it to see '
          + 'who burns the processor',
    render: (cell, item) => bar(cell, item.cpu, item.cpu === null
      ? { text: 'n/a', title: 'Press "Measure CPU": a profile tells it' }
      : { text: format.fraction(item.cpu) }) },
  { title: 'Share of time', path: 'seconds',
    hint: 'Of the time that all requests took, waiting included',
    render: (cell, item, answer) => bar(cell, item.share,
      field(item, 'share', format.fraction, answer)) },
  { title: 'Requests', path: 'requests', format: format.count },
  { title: 'Rate', path: 'rate', format: format.perSecond,
    hint: 'Requests a second since the last update' },
  { title: 'Errors', path: 'errors', format: format.count,
    hint: 'Answers of status 500 or more' },
  { title: '4xx', path: 'by_status.4xx', format: format.count },
  { title: 'Sent', path: 'bytes_out', format: format.bytes },
  { title: 'p50', path: 'latency.p50', format: format.seconds },
  { title: 'p99', path: 'latency.p99', format: format.seconds },
  { title: 'Upstream p99', path: 'upstream.latency.p99',
    format: format.seconds, hint: 'Of the requests that had an upstream' },
];

function showLocations(state) {
  const { locations: answer } = state.answers;

  places ??= createTable($('locations'), {
    columns: locationColumns,
    key: keyOf,
    order,
    onsort: () => showLocations(current),
  });

  // who asks for the CPU wants to see what uses most of it
  if (state.cpu !== measured) {
    measured = state.cpu;
    places.sort(measured ? 'cpu' : 'seconds');
  }

  const { rows, unused } =
    locations(answer.locations ?? [], state.rates, state.cpu);

  const wanted = $('locations-filter').value.toLowerCase();

  const found = rows.filter(({ server, location }) =>
    `${server} ${location}`.toLowerCase().includes(wanted));

  const list = sorted(found, order).slice(0, all ? Infinity : few);

  places.show(list, answer);

  const more = found.length - list.length;

  $('locations-all').hidden = !more && !all;
  put($('locations-all'), { text: all ? `Show ${few}` : `Show ${more} more` });

  const lost = field(answer, 'lost', format.count).text;

  put($('locations-note'), {
    text: [
      'Since the start of nginx.',
      state.cpu && `CPU: ${state.cpu.title}, ${state.cpu.outside} in no `
                   + 'location.',
      wanted && `${found.length} of ${rows.length} match.`,
      unused && `${unused} without a request ${unused > 1 ? 'are' : 'is'} left out.`,
      lost !== '0' && `${lost} requests had no place in the zone.`,
    ].filter(Boolean).join(' '),
  });
}


// The list changes seldom, and then by a few rows at its top.

let pausesAll = false;

// "9.80 ms on the processor, 1.00 ms blocked"
const split = (pause) => [['on_cpu_ns', 'on the processor'],
                          ['blocked_ns', 'blocked'],
                          ['other_ns', 'elsewhere']]
  .filter(([name]) => pause[name] > 0)
  .map(([name, what]) => `${format.nanoseconds(pause[name])} ${what}`)
  .join(', ');

function pauseRow(pause, longest) {
  const { worker, time, duration_ns: ns, cause, location, server } = pause;
  const list = (pause.stack ?? []).map(format.frame);
  const cell = el('td', { class: 'share' });

  bar(cell, ns / longest, { text: format.nanoseconds(ns) ?? 'n/a' });

  const where = [server, location].filter((v) => v != null).join(' ');
  const none = 'not known: no stack was taken in this pause';

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

function showPauses({ answers: { gc } }) {
  const list = gc.recent ?? [];
  const longest = Math.max(...list.map((p) => p.duration_ns), 1);
  const limit = pausesAll ? Infinity : 8;
  const rows = list.slice(0, limit);
  const now = JSON.stringify(rows) + longest;

  const get = (path, f) => field(gc, path, f);

  put($('pauses-note'), note(
    get('num_gc', format.count), ' passes of an event loop took longer than ',
    get('threshold_ms', format.milliseconds), ', ',
    get('pause_total', format.nanoseconds), ' in all, ',
    get('gc_cpu_fraction', format.fraction), ' of the workers\u2019 time.',
    list.length ? ` Time of the latest ${list.length}: ${blame(list)}.` : ''));

  $('pauses-panel').hidden = !list.length;
  $('pauses-all').hidden = list.length <= 8;
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


const units = {
  bytes: format.bytes,
  ms: format.milliseconds,
  percent: format.percent,
};

function showRuntime({ answers: { runtime, metrics } }) {
  const settings = Object.keys(runtime.settings ?? {}).map((key) => {
    const unit = key.split('_').pop();
    const bare = key.slice(0, -unit.length - 1);

    return [!Object.hasOwn(units, unit) ? key
              : Object.hasOwn(runtime.settings, bare) ? `${bare} size` : bare,
            `settings.${key}`, units[unit]];
  });

  const rows = [
    ['nginx', 'nginx_version'],
    ['module', 'module_version'],
    ['openssl', 'openssl_version'],
    ['pcre', 'pcre_version'],
    ['zlib', 'zlib_version'],
    ['allocator', 'allocator'],
    ['uptime', 'uptime_seconds', format.uptime],
    ['processors', 'num_cpu', format.count],
    ['thread pool tasks', 'num_cgo_call', format.count],
    ['requests', 'request_count', format.count],
    ['errors', 'error_count', format.count],
    ['mean request rate', 'request_rate', format.perSecond],
    ['mean error rate', 'error_rate', format.perSecond],
    ['started', 'start_time', format.date],
    ['reloaded', 'reload_time', (value) => format.date(value) ?? 'never'],
    ['generation', 'generation', format.count],
  ];

  const collect = field(metrics ?? {}, 'overhead.collect_ns',
                        format.nanoseconds);

  pairs($('runtime'), [
    ...rows.map(([name, path, f]) => [name, field(runtime, path, f)]),
    ...(metrics?.overhead ? [['cost of a tick', collect]] : []),
  ]);

  pairs($('settings'), settings.map(([name, path, f]) =>
    [name.replace('profiling_', '').replaceAll('_', ' '), field(runtime, path, f)]));
}


// also called when no answer came; "now" is in ms

export function showAge({ errors, updated, paused, worker, down }, now) {
  const why = errors.join('; ');
  const age = format.uptime((now - updated) / 1e3);

  $('banner').hidden = !why;
  put($('banner-text'), { text: why && `▲ No data from the server: ${why}` });
  put($('banner-age'), {
    text: updated ? `What is shown is ${age} old.` : '',
  });

  if (down) {
    showStatus('unknown', 'unknown');
  }

  put($('poll'), {
    text: updated ? (paused ? 'paused ' : 'updated ')
                    + format.clock(updated) : '',
  });

  put($('pause'), { text: paused ? 'Resume' : 'Pause' });
  $('scope').hidden = worker === null;
  put($('scope-text'), { text: `Worker ${worker} alone` });
}


const views = [
  ['metrics', showStats],
  ['history', ({ answers, history }) => {
    showCharts(answers.history, history);
    showCurves(answers.metrics?.workers ?? [], history.at(-1));
  }],
  ['health', showHealth],
  ['metrics', showWorkers],
  ['locations', showLocations],
  ['gc', showPauses],
  ['runtime', showRuntime],
];

let current;

// "names": of the answers that are new; all of them without it

export function show(state, names) {
  current = state;

  views.forEach(([name, view]) =>
    state.answers[name] && (!names || names.has(name)) && view(state));

  document.body.classList.toggle('waiting', !state.answers.metrics);
}

export function wire({ worker }) {
  onWorker = worker;

  $('locations-filter').addEventListener('input',
                                         () => show(current,
                                                    new Set(['locations'])));

  $('locations-all').addEventListener('click', () => {
    all = !all;
    show(current, new Set(['locations']));
  });

  $('pauses-all').addEventListener('click', () => {
    pausesAll = !pausesAll;
    show(current, new Set(['gc']));
  });
}
