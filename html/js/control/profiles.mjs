// Captures: taken, shown, saved; and the list of connections.

import { $, save } from '../base/dom.mjs';
import { count } from '../base/format.mjs';
import { capture } from './capture.mjs';
import { api, say, state, store } from './page.mjs';

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
  latency: 'Latency profile',
  goroutine: 'Goroutine profile',
};

// Takes a profile and shows it; the file too if "keep"

export async function profile(kind, seconds, { keep = false, go = true } = {}) {
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

  await add({ kind, label, worker, seconds, bytes: file.bytes,
              time: Date.now() }, go);
}

// null: it cannot be shown

async function add(taken, go) {
  try {
    const { panel } = await more();

    await panel.add(taken);

    if (go) {
      $('profiles-part').scrollIntoView();
    }

    return taken;

  } catch (error) {
    say(`${taken.label} cannot be shown: ${error.message}`);
    return null;
  }
}

// A profile that the server has already; "than": one that it is compared with

export async function showFile({ path, label, go = true, ...rest }) {
  const file = await capture(api, { path, label }, say);

  return file && add({ label, worker: state.worker, past: true, ...rest,
                       bytes: file.bytes, time: Date.now() }, go);
}

export async function heapDump() {
  const file = await capture(api, { path: 'api/profiling/heap-dump',
                                    label: 'Heap dump' }, say);

  if (file) {
    save(new Blob([file.bytes]), file.name);
    say(`Heap dump: saved as ${file.name}`);
  }
}

export function takeProfile() {
  const over = $('over').value;
  const seconds = Number(over === 'custom' ? $('seconds').value : over);

  if (over === 'custom' && !$('seconds').reportValidity()) {
    return;
  }

  profile($('kind').value, seconds);
}

export function kindChanged(event) {
  const cpu = $('kind').value === 'profile';
  const dump = $('kind').value === 'goroutine';

  const [start, ...spans] = $('over').options;

  start.hidden = start.disabled = cpu;
  start.text = dump || $('kind').value === 'heap' ? 'now'
    : 'the time since nginx started';
  spans.forEach((option) => {
    option.hidden = option.disabled = dump;
  });

  // what is held, and what is seen since the start, need no waiting
  if (event?.target === $('kind') || cpu && $('over').value === '') {
    $('over').value = cpu ? '5' : '';
  }

  $('custom').hidden = $('over').value !== 'custom';
}

// "go" brings them into sight, the largest group open: with client, location and
// waiting time of each

export async function listConnections({ go = false } = {}) {
  $('list').setAttribute('aria-disabled', true);

  try {
    const { connections } = await more();

    await connections.load({ open: go });

    if (go) {
      $('connections-part').scrollIntoView();
    }

  } catch (error) {
    say(`List of connections: ${error.message}`);
  }

  $('list').setAttribute('aria-disabled', false);
}

export const repaintProfiles = () => loaded?.then(({ panel }) => panel.repaint());
