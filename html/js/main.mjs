// When what is asked for, and the buttons.

import { connect } from './api.mjs';
import { megabytes, milliseconds, field } from './format.mjs';
import { createStore, delay, merge, points } from './store.mjs';
import { show, showAge } from './views.mjs';

const $ = (id) => document.getElementById(id);

const api = connect(new URL('../api/profiling/', document.baseURI));
const store = createStore((now) => {
  show(now);
  showAge(now, Date.now());
});

const { state } = store;

let timer;
let busy = false;

async function poll() {
  if (busy) {
    return;
  }

  busy = true;

  const last = state.history.at(-1)?.timestamp;
  const since = last ? `&since=${encodeURIComponent(last)}` : '';

  const names = ['metrics', 'history', 'health', 'locations', 'runtime'];
  const results = await Promise.allSettled(names.map((name) =>
    api.get(name === 'history' ? `metrics/history?count=${points}${since}`
                               : name)));

  const answers = { ...state.answers };
  const errors = new Set();

  results.forEach(({ value, reason }, i) => {
    if (value) {
      answers[names[i]] = value;

    } else {
      errors.add(reason.message);
    }
  });

  // with its clock set back, the server would have nothing newer for long
  const old = answers.metrics?.timestamp < last ? [] : state.history;

  busy = false;

  store.set({
    answers,
    history: merge(old, results[1].value?.samples ?? []),
    errors: [...errors],
    failures: errors.size ? state.failures + 1 : 0,
    updated: errors.size ? state.updated : Date.now(),
  });

  schedule(delay(state.failures));
}

function schedule(ms) {
  clearTimeout(timer);

  if (!state.paused && !document.hidden) {
    timer = setTimeout(poll, ms);
  }
}


const say = (text) => {
  $('message').textContent = text;
};

async function forceGc() {
  $('gc').disabled = true;
  say('Force GC: running');

  try {
    const answer = await api.post('force-gc');
    const get = (path, format) => field(answer, path, format).text;

    say(`Force GC: ${answer.success ? 'done' : 'not by all workers'} in `
        + `${get('gc_duration_ms', milliseconds)}, `
        + `${get('heap_freed_mb', megabytes)} freed, `
        + `${get('heap_alloc_mb', megabytes)} in use`);

  } catch (error) {
    say(`Force GC failed: ${error.message}`);
  }

  $('gc').disabled = false;
  schedule(0);
}


let capture = null;

function running(on) {
  $('cancel').hidden = $('progress').hidden = !on;
  $('progress').value = 0;
  $('cpu').setAttribute('aria-disabled', on);
}

async function cpuProfile(event) {
  event.preventDefault();

  if (capture) {
    return;
  }

  capture = new AbortController();
  say('CPU profile: running for 30 s');

  running(true);

  const started = Date.now();
  const clock = setInterval(() => {
    $('progress').value = (Date.now() - started) / 1e3;
  }, 500);

  try {
    const { name, blob } = await api.download($('cpu').href, capture.signal);
    const link = document.createElement('a');

    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    say(`CPU profile: saved as ${name}`);

  } catch (error) {
    say(capture.signal.aborted ? 'CPU profile: cancelled'
                               : `CPU profile failed: ${error.message}`);
  }

  // Cancel is about to go, and may have the focus
  if (document.activeElement === $('cancel')) {
    $('cpu').focus();
  }

  clearInterval(clock);
  running(false);
  capture = null;
}


setInterval(() => showAge(state, Date.now()), 1000);

$('pause').addEventListener('click', () => {
  store.set({ paused: !state.paused, failures: 0, errors: [] });
  schedule(0);
});

$('gc').addEventListener('click', forceGc);
$('cpu').addEventListener('click', cpuProfile);
$('cancel').addEventListener('click', () => capture.abort());

document.addEventListener('visibilitychange', () => schedule(0));

poll();
