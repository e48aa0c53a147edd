// State to document.  Whatever a name holds goes in as text.  Nodes stay, and
// so do the focus, a selection and a scroll position.

import * as format from './format.mjs';
import { curve, heapPercent, interval, points, rank, series }
  from './store.mjs';

const $ = (id) => document.getElementById(id);

const { field } = format;

const marks = {
  healthy: '● good',
  running: '● good',
  degraded: '▲ warn',
  draining: '◆ warn',
  unhealthy: '■ bad',
  stuck: '■ bad',
};

function put(node, { text, title = '' }) {
  if (node.textContent !== text) {
    node.textContent = text;
  }

  node.title = title;
}

const copy = (id) => () => $(id).content.firstElementChild.cloneNode(true);

const mark = (word) => (marks[word] ?? '? warn').split(' ');

const shape = (word) => `${mark(word)[0]} ${word}`;

const colour = (word) => mark(word)[1];

// as many children as there are items

function children(parent, { length }, make) {
  while (parent.children.length < length) {
    parent.append(make());
  }

  while (parent.children.length > length) {
    parent.lastElementChild.remove();
  }

  return [...parent.children];
}

function putPairs(parent, list) {
  children(parent, list, copy('pair')).forEach(({ children: parts }, i) => {
    const [name, value, note] = list[i];

    put(parts[0], { text: name });
    put(parts[1], value);
    put(parts[2], note ?? { text: '' });
    parts[2].hidden = !note;
  });
}

// columns: [title, path, format]; those with names come first

function putTable(id, columns, names, items, answer) {
  const make = (tag, scope) => () => {
    const row = document.createElement('tr');

    columns.forEach((_, i) => {
      const cell = document.createElement(i ? tag : 'th');

      cell.className = i < names ? 'left' : '';
      row.append(cell);

      if (cell.tagName === 'TH') {
        cell.scope = scope;
      }
    });

    return row;
  };

  children($(`${id}-head`), [''], make('th', 'col')).forEach((row) =>
    columns.forEach(([text], i) => put(row.children[i], { text })));

  return children($(id), items, make('td', 'row')).map((row, i) => {
    columns.forEach(([, path, f], k) => {
      const shown = field(items[i], path, f, answer);

      // a long name is cut short
      put(row.children[k], k < names ? { title: shown.text, ...shown } : shown);
    });

    return row;
  });
}


function showStats({ metrics }) {
  const get = (path, f) => field(metrics, `metrics.${path}`, f);

  const note = (...parts) => ({
    text: parts.map((part) => part.text ?? part).join(''),
    title: parts.map((part) => part.title).find(Boolean),
  });

  const heap = format.percent(heapPercent(metrics.metrics?.memory));
  const inuse = get('memory.heap_inuse', format.bytes);

  putPairs($('stats'), [
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
    ['Request rate', note(get('request_rate', format.rate), '/s'),
     note(get('error_rate', format.rate), ' errors/s')],
  ]);
}


const charts = [
  ['memory', 'Memory allocated', format.bytes, false],
  ['connections', 'Connections', format.count, true],
  ['pauses', 'Paused per second', format.milliseconds, true],
  ['heap', 'Heap usage', format.percent, false],
];

const box = { width: 240, height: 60 };

function showCharts({ history: answer }, { history }) {
  const step = answer.interval_ms ?? interval;
  const figures = children($('charts'), charts, copy('chart'));

  put($('h-charts'), { text: `Last ${format.uptime(step * points / 1e3)}` });

  charts.forEach(([name, title, show, zero], i) => {
    const [caption, svg, axis] = figures[i].children;
    const list = series(history, name);
    const drawn = curve(list, { ...box, step, zero });
    const last = show(list.at(-1)?.value) ?? 'n/a';
    const range = drawn ? `axis ${show(drawn.low)} to ${show(drawn.high)}`
                        : 'no samples yet';

    put(caption.children[0], { text: title });
    put(caption.children[1], { text: last });
    put(axis, { text: range });

    svg.setAttribute('aria-label', `${title}: now ${last}, ${range}`);
    svg.children[0].setAttribute('d', drawn?.area ?? '');
    svg.children[1].setAttribute('d', drawn?.line ?? '');
  });
}


function showHealth({ health }) {
  const issues = (health.issues ?? []).map(String);

  if (health.more_issues > 0) {
    issues.push(`and ${health.more_issues} more`);
  }

  put($('health'), { text: shape(health.status) });
  $('health').className = colour(health.status);
  $('issues').hidden = !issues.length;

  children($('issues'), issues, () => document.createElement('li'))
    .forEach((item, i) => put(item, { text: `▲ ${issues[i]}` }));
}


function showWorkers({ metrics }) {
  const workers = metrics.workers ?? [];

  putTable('workers', [
    ['PID', 'pid'],
    ['State', 'state', shape],
    ['CPU', 'cpu.usage_percent', format.percent],
    ['Memory', 'memory.sys', format.bytes],
    ['Connections', 'goroutines', format.count],
    ['Requests', 'requests.total', format.count],
    ['Loop busy', 'event_loop.utilization', format.fraction],
    ['Pass p99', 'event_loop.latency.p99', format.seconds],
    ['Pauses', 'gc.num_gc', format.count],
  ], 2, workers, metrics).forEach((row, i) => {
    row.children[1].className = `left ${colour(workers[i].state)}`;
  });
}


function showLocations({ locations }) {
  const { rows, hidden, unused } = rank(locations.locations ?? []);

  putTable('locations', [
    ['Location', 'location'],
    ['Server', 'server'],
    ['Requests', 'requests', format.count],
    ['Errors', 'errors', format.count],
    ['p50', 'latency.p50', format.seconds],
    ['p99', 'latency.p99', format.seconds],
    ['Share of time', 'share', format.fraction],
  ], 2, rows, locations)
    .forEach(({ lastChild: cell }, i) => {
      cell.className = 'share';
      cell.style.setProperty('--share', `${100 * rows[i].share}% 100%`);
    });

  put($('locations-note'), {
    text: `Not shown: ${hidden} more, ${unused} without a request. `
          + `Requests without a place in the zone: ${locations.lost}.`,
  });
}


function showRuntime({ runtime }) {
  const date = (value) => value ? new Date(value).toLocaleString() : null;
  const { bytes, milliseconds: ms, percent } = format;
  const units = { bytes, ms, percent };

  const settings = Object.keys(runtime.settings ?? {}).map((key) =>
    [`settings.${key}`, units[key.split('_').pop()]]);

  putPairs($('runtime'), [
    ...['nginx', 'module', 'openssl', 'pcre', 'zlib'].map((part) =>
      [`${part}_version`]),
    ['allocator'],
    ['num_cpu'],
    ['generation'],
    ['start_time', date],
    ['reload_time', date],
    ...settings,
  ].map(([path, f]) => [path.replace('settings.profiling_', ''),
                        field(runtime, path, f)]));
}


// also called when no answer came; "now" is in ms

export function showAge({ errors, updated, paused }, now) {
  const why = errors.join('; ');
  const age = format.uptime((now - updated) / 1e3);

  $('banner').hidden = !why;
  put($('banner-text'), { text: why && `▲ No data from the server: ${why}` });
  put($('banner-age'), {
    text: updated ? `What is shown is ${age} old.` : '',
  });

  put($('poll'), {
    text: updated ? (paused ? 'paused ' : 'updated ')
                    + new Date(updated).toLocaleTimeString() : '',
  });

  put($('pause'), { text: paused ? 'Resume' : 'Pause' });
}


const views = [
  ['health', showHealth],
  ['metrics', showStats],
  ['history', showCharts],
  ['metrics', showWorkers],
  ['locations', showLocations],
  ['runtime', showRuntime],
];

export const show = (state) => views.forEach(([name, view]) =>
  state.answers[name] && view(state.answers, state));
