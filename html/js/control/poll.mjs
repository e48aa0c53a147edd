// When what is asked for.

import { $ } from '../base/dom.mjs';
import { delay, endedWorkers, locationRates, merge, points }
  from '../store/store.mjs';
import { slowSort } from '../views/slow.mjs';
import { api, state, update } from './page.mjs';

let timer;
let polling = null;
let gone;

// "f" is called when the worker that is looked at alone is not found

export const whenGone = (f) => {
  gone = f;
};

// The first answers fill the figures and the charts, the others follow.

const waves = [['metrics', 'history'], ['health', 'locations', 'gc'],
               ['runtime', 'crashes', 'capacity', 'upstreams',
                'tls', 'caches', 'modules', 'reloads', 'timeline',
                'incidents', 'slow']];

const known = new Set();   // names of answers of this view
let asked;                 // what slow requests were sorted by

function path(name) {
  if (name === 'slow') {
    asked = slowSort();

    return `slow?limit=100&sort=${asked}`;
  }

  const last = state.history.at(-1)?.timestamp;

  return name === 'timeline' ? 'timeline?from=-15m&step=10s'
    : name !== 'history' ? name
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

export async function poll() {
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
    gone();
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
// a reload only, is asked for in every sixth, each in another one; the list of
// pauses also when there is a new one.

let turns = 0;

const at = { upstreams: 0, tls: 0, locations: 1, timeline: 1, capacity: 2, gc: 2,
             modules: 2, runtime: 3, caches: 3, crashes: 4, incidents: 4,
             slow: 5, reloads: 5 };

const wanted = {
  capacity: () => state.answers.health?.issues.length
                  || state.answers.capacity?.full.length,
  locations: () => seen.locations,
  slow: () => seen.slow || asked !== slowSort(),
  gc: () => state.answers.gc.num_gc !== state.answers.metrics?.metrics.gc.num_gc,
};

const due = (name) => !(name in at) || !known.has(name)
                      || turns % 6 === at[name] || wanted[name]?.();

const seen = {};

for (const name of ['locations', 'slow']) {
  new IntersectionObserver((entries) => {
    const before = seen[name];

    seen[name] = entries.at(-1).isIntersecting;

    if (seen[name] && !before && state.answers[name]) {
      schedule(0);
    }
  }).observe($(`${name}-part`));
}

export function schedule(ms) {
  clearTimeout(timer);

  if (!state.paused && !document.hidden) {
    timer = setTimeout(poll, ms);
  }
}

// Answers under way are those of another view.

export function restart() {
  polling = null;
  known.clear();
  clearTimeout(timer);
  poll();
}
