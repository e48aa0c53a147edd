// What follows from the timeline: CPU seconds by server, location and state,
// for each step of the time that is recorded.

import { keyOf } from './store.mjs';

const add = (to, values) => values.forEach((v, i) => {
  to[i] = v === null ? to[i] : (to[i] ?? 0) + v;
});

// [{server, location, values, sum}], the one with the most first

function places({ series }) {
  const by = new Map();

  for (const row of series) {
    const key = keyOf(row);

    if (!by.has(key)) {
      const { server, location } = row;

      by.set(key, { key, server, location,
                    values: row.cpu_seconds.map(() => null) });
    }

    add(by.get(key).values, row.cpu_seconds);
  }

  return [...by.values()].map((place) => ({
    ...place,
    sum: place.values.reduce((sum, v) => sum + (v ?? 0), 0),
  })).sort((a, b) => b.sum - a.sum);
}

const nameOf = ({ server, location }) =>
  location === null ? server ?? 'outside of all locations'
    : [server, location].filter((v) => v != null).join(' ');

// For the heat map: at most so many rows, times in seconds since the epoch

export function heat(timeline, most) {
  const all = places(timeline);
  const first = all.slice(0, all.length > most ? most - 1 : most);
  const rest = all.slice(first.length);
  const total = Array(timeline.steps).fill(null);

  all.forEach(({ values }) => add(total, values));

  const rows = first.map((place) => ({ ...place, name: nameOf(place) }));

  if (rest.length) {
    const values = Array(timeline.steps).fill(null);

    rest.forEach((place) => add(values, place.values));
    rows.push({ name: `${rest.length} others`, values,
                sum: rest.reduce((sum, place) => sum + place.sum, 0) });
  }

  return {
    rows,
    total,
    steps: timeline.steps,
    step: timeline.step_seconds,
    from: Date.parse(timeline.from) / 1000,
    peak: Math.max(1e-9, ...rows.flatMap(({ values }) => values)),
    gone: total.map((v) => v === null),
  };
}

// The column CPU of the table of locations, as a measured profile gives it;
// null: nothing is recorded.  In nanoseconds.

export function recorded(timeline, fraction) {
  const all = timeline ? places(timeline) : [];
  const total = all.reduce((sum, place) => sum + place.sum, 0);

  if (!total) {
    return null;
  }

  const inside = all.filter(({ location }) => location !== null);
  const known = inside.reduce((sum, place) => sum + place.sum, 0);

  return {
    total: total * 1e9,
    values: new Map(inside.map(({ key, sum }) => [key, sum * 1e9])),
    outside: fraction((total - known) / total),
    title: 'what is recorded',
  };
}

// The query of a range, times in seconds since the epoch

export const query = (from, until) =>
  `from=${from.toFixed(3)}&until=${until.toFixed(3)}`;

// [first, behind the last] of each run of true values

export function runs(list) {
  const found = [];

  list.forEach((is, i) => {
    if (is && !list[i - 1]) {
      found.push([i, i + 1]);

    } else if (is) {
      found.at(-1)[1] = i + 1;
    }
  });

  return found;
}
