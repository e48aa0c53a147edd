// When what is asked for, and the buttons.

import { connect } from './fetch/api.mjs';
import { cancel, capture } from './control/capture.mjs';
import { $, forgetColours, save } from './base/dom.mjs';
import { count, field, megabytes, milliseconds } from './base/format.mjs';
import { createStore, delay, endedWorkers, locationRates, merge, points }
  from './store/store.mjs';
import { repaint, show, showAge, wire } from './views/views.mjs';

const base = new URL('../', document.baseURI);

let fresh = null;   // names of the answers to show

const store = createStore((now) => {
  show(now, fresh);

  // the last of an update tells its age
  if (!fresh?.size) {
    showAge(now, Date.now());
  }
});

const { state } = store;
const api = connect(base, () => state.worker);

const say = (text) => {
  $('message').textContent = text;
};

const update = (patch, names) => {
  fresh = names;
  store.set(patch);
  fresh = null;
};


let timer;
let polling = null;

// The first answers fill the figures and the charts, the others follow.

const waves = [['metrics', 'history'], ['health', 'locations', 'gc'],
               ['runtime']];

const known = new Set();   // names of answers of this view

function path(name) {
  const last = state.history.at(-1)?.timestamp;

  return name !== 'history' ? name
    : `metrics/history?count=${points}`
      + (last ? `&since=${encodeURIComponent(last)}` : '');
}

function take(answers, { metrics, history, locations }) {
  const old = state.answers;
  const patch = { answers: { ...old, ...answers } };

  if (metrics && old.metrics && state.worker === null) {
    patch.ended = endedWorkers(state.ended, old.metrics.workers,
                               metrics.workers, Date.parse(metrics.timestamp));
  }

  if (history) {
    // with its clock set back, the server would have nothing newer for long
    const last = state.history.at(-1)?.timestamp;
    const kept = patch.answers.metrics?.timestamp < last ? [] : state.history;

    patch.history = merge(kept, history.samples ?? []);

    // what is kept is in state.history
    patch.answers.history = { interval_ms: history.interval_ms };
  }

  if (locations) {
    patch.rates = locationRates(locations, old.locations);
  }

  return patch;
}

async function ask(names, turn, errors) {
  const results = await Promise.allSettled(names.map((n) => api.get(path(n))));

  if (turn !== polling) {
    return;
  }

  const answers = {};

  turn.answered ||= results.some(({ value }) => value);
  results.forEach(({ value, reason }, i) => {
    if (value) {
      answers[names[i]] = value;
      known.add(names[i]);

    } else {
      errors.push(reason);
    }
  });

  update(take(answers, answers), new Set(Object.keys(answers)));
}

async function poll() {
  if (polling) {
    return;
  }

  const turn = polling = {};
  const errors = [];

  turns++;

  for (const names of waves) {
    const now = names.filter(due);

    if (now.length) {
      await ask(now, turn, errors);
    }

    if (turn !== polling) {
      return;
    }
  }

  polling = null;

  if (state.worker !== null && errors.some(({ status }) => status === 404)) {
    say(`Worker ${state.worker} is gone: all workers are shown`);
    scope(null);
    return;
  }

  update({
    errors: [...new Set(errors.map(({ message }) => message))],
    failures: errors.length ? state.failures + 1 : 0,
    down: !turn.answered,
    updated: errors.length ? state.updated : Date.now(),
  }, new Set());

  schedule(delay(state.failures));
}

// To ask is the larger part of an update.  What is not in sight, or changes with
// a reload only, is asked for in every fifth, each in another one; the list of
// pauses also when there is a new one.

let turns = 0;

const at = { locations: 1, gc: 2, runtime: 3 };

const wanted = {
  locations: () => seen,
  gc: () => state.answers.gc.num_gc !== state.answers.metrics?.metrics.gc.num_gc,
};

const due = (name) => !(name in at) || !known.has(name)
                      || turns % 5 === at[name] || wanted[name]?.();

let seen = false;

new IntersectionObserver((entries) => {
  const before = seen;

  seen = entries.at(-1).isIntersecting;

  if (seen && !before && state.answers.locations) {
    schedule(0);
  }
}).observe($('locations-part'));

function schedule(ms) {
  clearTimeout(timer);

  if (!state.paused && !document.hidden) {
    timer = setTimeout(poll, ms);
  }
}

// One worker alone, or all of them (null)

function scope(worker) {
  const url = new URL(location.href);

  if (worker === null) {
    url.searchParams.delete('worker');

  } else {
    url.searchParams.set('worker', worker);
  }

  history.replaceState(null, '', url);

  // answers under way are those of another view
  polling = null;
  known.clear();
  store.set({ worker, history: [], rates: new Map(), ended: new Map(),
              cpu: null });
  clearTimeout(timer);
  poll();
}


async function forceGc() {
  if ($('gc').getAttribute('aria-disabled') === 'true') {
    return;
  }

  $('gc').setAttribute('aria-disabled', true);
  say('Force GC: running');

  try {
    const answer = await api.post('force-gc');
    const get = (name, format) => field(answer, name, format).text;

    say(`Force GC: ${answer.success ? 'done' : 'not by all workers'} in `
        + `${get('gc_duration_ms', milliseconds)}, `
        + `${get('heap_freed_mb', megabytes)} freed, `
        + `${get('heap_alloc_mb', megabytes)} in use`);

  } catch (error) {
    say(`Force GC failed: ${error.message}`);
  }

  $('gc').setAttribute('aria-disabled', false);
  schedule(0);
}


// The code for profiles and connections comes when it is wanted.

let loaded;

const more = () => {
  loaded ??= import(new URL('profiles.js', import.meta.url)).then((module) =>
    module.start({ api, say, measured }));

  loaded.catch(() => {
    loaded = null;
  });

  return loaded;
};

function measured(cpu) {
  store.set({ cpu });
}

const labels = {
  profile: 'CPU profile',
  heap: 'Heap profile',
  allocs: 'Allocation profile',
  block: 'Block profile',
  mutex: 'Mutex profile',
  goroutine: 'Goroutine profile',
};

// Takes a profile and shows it; the file too if "keep"

async function profile(kind, seconds, { keep = false, go = true } = {}) {
  const label = labels[kind] + (seconds ? `, ${count(seconds)} s` : '');
  const worker = state.worker;
  const query = seconds ? `?seconds=${seconds}` : '';

  const file = await capture(api, {
    path: keep && kind === 'profile'
            ? `api/profiling/cpu-profile?duration=${seconds}`
            : `debug/pprof/${kind}${query}`,
    label,
    seconds,
  }, say);

  if (!file) {
    return;
  }

  if (keep) {
    save(new Blob([file.bytes]), file.name);
    say(`${label}: saved as ${file.name}`);
  }

  try {
    const { panel } = await more();

    await panel.add({ kind, label, worker, seconds, bytes: file.bytes,
                      time: Date.now() });

    if (go) {
      $('profiles-part').scrollIntoView();
    }

  } catch (error) {
    say(`${label}: cannot be shown: ${error.message}`);
  }
}

async function heapDump() {
  const file = await capture(api, { path: 'api/profiling/heap-dump',
                                    label: 'Heap dump' }, say);

  if (file) {
    save(new Blob([file.bytes]), file.name);
    say(`Heap dump: saved as ${file.name}`);
  }
}

function takeProfile() {
  const over = $('over').value;
  const seconds = Number(over === 'custom' ? $('seconds').value : over);

  if (over === 'custom' && !$('seconds').reportValidity()) {
    return;
  }

  profile($('kind').value, seconds);
}

function kindChanged(event) {
  const cpu = $('kind').value === 'profile';
  const dump = $('kind').value === 'goroutine';

  const [start, ...spans] = $('over').options;

  start.hidden = start.disabled = cpu;
  start.text = dump || $('kind').value === 'heap' ? 'now' : 'the time since the start';
  spans.forEach((option) => {
    option.hidden = option.disabled = dump;
  });

  // what is held, and what is seen since the start, need no waiting
  if (event?.target === $('kind') || cpu && $('over').value === '') {
    $('over').value = cpu ? '5' : '';
  }

  $('custom').hidden = $('over').value !== 'custom';
}

async function listConnections() {
  $('list').setAttribute('aria-disabled', true);

  try {
    const { connections } = await more();

    await connections.load();

  } catch (error) {
    say(`List of connections: ${error.message}`);
  }

  $('list').setAttribute('aria-disabled', false);
}


const themes = ['Auto', 'Light', 'Dark'];

function paint(theme) {
  document.documentElement.dataset.theme = theme.toLowerCase();
  $('theme').textContent = `Colours: ${theme.toLowerCase()}`;
  $('theme').value = theme;
  forgetColours();
  repaint();
  loaded?.then(({ panel }) => panel.repaint());
}

// storage may be forbidden
const remembered = {
  get() {
    try {
      return localStorage.getItem('theme');

    } catch {
      return null;
    }
  },
  set(theme) {
    try {
      localStorage.setItem('theme', theme);

    } catch {
      // it lasts as long as the page does
    }
  },
};

function nextTheme() {
  const i = themes.indexOf($('theme').value);
  const theme = themes[(i + 1) % themes.length];

  remembered.set(theme);
  paint(theme);
}


const on = (id, event, f) => $(id).addEventListener(event, f);

on('pause', 'click', () => {
  update({ paused: !state.paused, failures: 0, errors: [] }, new Set());
  schedule(0);
});

on('gc', 'click', forceGc);
on('heap', 'click', heapDump);
on('cpu', 'click', () => profile('profile', 30, { keep: true }));
on('measure', 'click', () => profile('profile', 5, { go: false }));
on('take', 'click', takeProfile);
on('kind', 'change', kindChanged);
on('over', 'change', kindChanged);
on('list', 'click', listConnections);
on('cancel', 'click', cancel);
on('theme', 'click', nextTheme);
on('scope-all', 'click', () => scope(null));
on('retry', 'click', () => schedule(0));

wire({ worker: scope });
kindChanged();
paint(themes.includes(remembered.get()) ? remembered.get() : 'Auto');

matchMedia('(prefers-color-scheme: dark)')
  .addEventListener('change', () => paint($('theme').value));

document.addEventListener('visibilitychange', () => schedule(0));
addEventListener('online', () => schedule(0));
setInterval(() => showAge(state, Date.now()), 1000);

const asked = /^\d+$/.exec(new URL(location.href).searchParams.get('worker'));

if (asked) {
  scope(Number(asked[0]));

} else {
  poll();
}
