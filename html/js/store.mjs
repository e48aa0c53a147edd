// What the page knows, and what follows from it.

export const interval = 2000;  // ms
export const points = 60;

export function createStore(listener) {
  const state = {
    answers: {},    // the last good one of each endpoint
    history: [],    // samples, oldest first
    errors: [],     // of the last poll
    failures: 0,    // polls in a row
    updated: null,  // when all endpoints last answered, ms
    paused: false,
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

export const heapPercent = (memory) =>
  memory?.heap_sys > 0 && memory.heap_inuse !== null
  ? 100 * memory.heap_inuse / memory.heap_sys : null;

// A chart's {time in ms, value or null}, one for each sample.  A counter that
// fell has no difference.

const values = {
  memory: (now) => now.memory?.alloc,
  connections: (now) => now.goroutines,
  heap: (now) => heapPercent(now.memory),

  // ms in a second
  pauses(now, before, seconds) {
    const ns = now.gc?.pause_total_ns - before?.gc?.pause_total_ns;

    return ns >= 0 ? ns / 1e6 / seconds : null;
  },
};

export const series = (history, name) => history.map((now, i) => {
  const before = history[i - 1];
  const time = Date.parse(now.timestamp);
  const passed = (time - Date.parse(before?.timestamp)) / 1000;
  const value = values[name](now, before, passed);

  return { time, value: Number.isFinite(value) ? value : null };
});

// A series as paths in a box, {line, area, low, high}, or null without a
// value.  Samples that are missing leave a gap; "step" is the ms between two.

export function curve(list, { width, height, step, zero }) {
  const known = list.map((p) => p.value).filter((v) => v !== null);

  if (!known.length) {
    return null;
  }

  let high = Math.max(...known);
  let low = zero ? 0 : Math.min(...known);

  // noise must not fill the box
  const more = Math.max(high / 20, 1e-3) - (high - low);

  if (more > 0) {
    low = Math.max(0, low - more / 2);
    high += more / 2;
  }

  const end = list.at(-1).time;
  const span = step * (points - 1);
  const runs = [];
  let last = -Infinity;

  for (const { time, value } of list) {
    if (value !== null && end - time <= span) {
      if (time - last > step * 1.5) {
        runs.push([]);
      }

      runs.at(-1).push([
        (width * (1 - (end - time) / span)).toFixed(1),
        (height * (high - value) / (high - low)).toFixed(1),
      ]);

      last = time;

    } else {
      last = -Infinity;
    }
  }

  const line = (run) => run.map((p) => p.join(' ')).join('L');

  return {
    low,
    high,
    // a point alone is a dot, by its round ends
    line: runs.map((run) => `M${line(run)}${run[1] ? '' : 'h0'}`).join(''),
    area: runs.map((run) => `M${run[0][0]} ${height}L${line(run)}`
                            + `V${height}Z`).join(''),
  };
}

// Locations with requests, by time

export function rank(locations, limit = 50) {
  const used = locations.filter((l) => l.requests > 0);
  const all = used.reduce((sum, l) => sum + l.seconds, 0);

  return {
    rows: used.map((l) => ({ ...l, share: all ? l.seconds / all : null }))
              .sort((a, b) => b.seconds - a.seconds).slice(0, limit),
    hidden: Math.max(0, used.length - limit),
    unused: locations.length - used.length,
  };
}
