// What the page knows, and what follows from it.

export const interval = 2000;  // ms
export const points = 60;
const remembered = 60000;      // ms that a worker is shown after its end

export function createStore(listener) {
  const state = {
    answers: {},    // the last good one of each endpoint
    history: [],    // samples, oldest first
    rates: new Map(),   // of locations: requests a second, by key
    ended: new Map(),   // workers that went, by pid
    cpu: null,      // CPU time by location, from the last CPU profile
    errors: [],     // of the last poll
    failures: 0,    // polls in a row
    down: false,    // there was no answer at all
    updated: null,  // when all endpoints last answered, ms
    paused: false,
    worker: null,   // the pid that is looked at alone
  };

  return {
    state,
    set(patch) {
      Object.assign(state, patch);
      listener(state);
    },
  };
}

// ms to the next poll
export const delay = (failures) =>
  Math.min(interval * 2 ** failures, 30000);

export function merge(old, samples) {
  const last = old.at(-1)?.timestamp ?? '';

  return [...old, ...samples.filter((s) => s.timestamp > last)].slice(-points);
}

// null is no number to calculate with: it would count as 0

const known = (...numbers) => numbers.every(Number.isFinite);

export const heapPercent = (memory) =>
  known(memory?.heap_sys, memory?.heap_inuse) && memory.heap_sys > 0
    ? memory.heap_inuse / memory.heap_sys * 100 : null;

// Of a sample, the one before it and the seconds between.  A counter that
// fell, as it does when nginx was started anew, gives no value.

const grown = (now, before) =>
  known(now, before) && now >= before ? now - before : null;

const per = (grown, seconds, unit = 1) =>
  grown === null ? null : grown / unit / seconds;

export const values = {
  alloc: (now) => now.memory?.alloc,
  sys: (now) => now.memory?.sys,
  connections: (now) => now.goroutines,
  heap: (now) => heapPercent(now.memory),

  // ms in a second
  pauses: (now, before, seconds) =>
    per(grown(now.gc?.pause_total_ns, before?.gc?.pause_total_ns), seconds,
        1e6),

  requests: (now, before, seconds) =>
    per(grown(now.requests, before?.requests), seconds),

  errors: (now, before, seconds) =>
    per(grown(now.errors, before?.errors), seconds),

  // percent of one processor
  cpu: (now, before, seconds) =>
    per(grown(now.cpu?.seconds, before?.cpu?.seconds), seconds, 0.01),
};

// Samples stay for two minutes: their times are read once

const times = new WeakMap();

function timeOf(sample) {
  if (!times.has(sample)) {
    times.set(sample, Date.parse(sample.timestamp) / 1000);
  }

  return times.get(sample);
}

// [times in seconds, values of the first name, of the second, ...], as the
// charts want them.  Where samples are missing stands one more point without a
// value, so that the line is broken.

export function table(history, names, step) {
  const rows = [[], ...names.map(() => [])];

  history.forEach((now, i) => {
    const before = history[i - 1];
    const time = timeOf(now);
    const passed = before ? time - timeOf(before) : NaN;

    if (passed > step / 1000 * 1.5) {
      rows.forEach((row, k) => row.push(k ? null : time - passed / 2));
    }

    rows[0].push(time);

    names.forEach((name, k) => {
      const value = values[name](now, before, passed);

      rows[k + 1].push(Number.isFinite(value) ? value : null);
    });
  });

  return rows;
}

// The range of an axis: noise must not fill the box

export function range(low, high, floor) {
  if (low === null || high === null) {
    return [0, 1];
  }

  const bottom = floor ? 0 : low;
  const least = Math.max(Math.abs(high) / 20, 1e-3);
  const more = Math.max(0, least - (high - bottom));
  const room = (high - bottom + more) * 0.08;

  return [floor ? 0 : Math.max(0, bottom - more / 2 - room),
          high + (floor ? more : more / 2) + room];
}


export const keyOf = ({ server, location }) =>
  JSON.stringify([server, location]);

// Requests a second of each location between two answers

export function locationRates(answer, before) {
  const seconds = (Date.parse(answer?.timestamp)
                   - Date.parse(before?.timestamp)) / 1000;
  const rates = new Map();

  if (!(seconds > 0)) {
    return rates;
  }

  const old = new Map((before.locations ?? []).map((l) =>
    [keyOf(l), l.requests]));

  for (const location of answer.locations ?? []) {
    const key = keyOf(location);
    const rate = per(grown(location.requests, old.get(key)), seconds);

    if (Number.isFinite(rate)) {
      rates.set(key, rate);
    }
  }

  return rates;
}

// Locations with requests, each with its rate and its shares of the time and
// of the CPU of the last profile

export function locations(list, rates, cpu) {
  const used = list.filter((l) => l.requests > 0);
  const all = used.reduce((sum, l) => sum + l.seconds, 0);

  // with the row of no location: what the workers took
  const bill = list.reduce((sum, l) => sum + (l.cost?.cpu_seconds ?? 0), 0);

  return {
    rows: used.map((l) => ({
      ...l,
      rate: rates.get(keyOf(l)) ?? null,
      share: all ? l.seconds / all : null,
      cpu: cpu ? (cpu.values.get(keyOf(l)) ?? 0) / cpu.total
        : l.cost && bill ? l.cost.cpu_seconds / bill : null,
      cost: l.cost && { ...l.cost,
                        thousand: l.cost.cpu_seconds / l.requests * 1000 },
    })),
    unused: list.filter((l) => l.requests === 0).length,
  };
}


const at = (object, path) =>
  path.split('.').reduce((value, key) => value?.[key], object);

// What has no value comes last, whatever the direction

export function sorted(rows, { path, down }) {
  const sign = down ? -1 : 1;

  return rows.map((row, i) => [at(row, path), i, row]).sort(([a, i], [b, k]) =>
    a == null || b == null ? (a == null) - (b == null) || i - k
    : (typeof a === 'number' && typeof b === 'number' ? a - b
       : String(a).localeCompare(String(b), 'en', { numeric: true })) * sign
      || i - k).map(([, , row]) => row);
}


// Workers that are not in the answer any more, for a minute; "now" in ms.  One
// of an older generation has ended after a reload, as it should.

export function endedWorkers(ended, before, workers, now) {
  const next = new Map();
  const newest = Math.max(...workers.map((w) => w.generation));

  for (const [pid, worker] of ended) {
    if (now - worker.ended < remembered) {
      next.set(pid, worker);
    }
  }

  for (const { pid, worker, generation, state } of before ?? []) {
    if (!next.has(pid)) {
      next.set(pid, { pid, worker, generation, ended: now,
                      state: state === 'draining' || generation < newest
                               ? 'ended' : 'died' });
    }
  }

  workers.forEach(({ pid }) => next.delete(pid));

  return next;
}

// A worker that was started neither with nginx nor by a reload took the place
// of one that died: ms since then, or null

export function restarted(worker, runtime, now) {
  const started = Date.parse(worker.started);
  const begun = Date.parse(runtime?.reload_time ?? runtime?.start_time);

  return worker.state === 'running'
         && worker.generation === runtime?.generation
         && started - begun > 2000 ? Math.max(0, now - started) : null;
}
