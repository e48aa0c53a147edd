// What is computed from profiles: trees, tables, differences.

// The type to show first, as an index

export function firstType(profile, kind) {
  const wanted = {
    profile: 'cpu', heap: 'inuse_space', allocs: 'alloc_space',
    block: 'delay', mutex: 'delay', latency: 'time',
  }[kind] ?? profile.defaultType;

  const found = profile.types.findIndex(({ type }) => type === wanted);

  return found >= 0 ? found : Math.max(0, profile.types.length - 1);
}

// The labels by which samples can be grouped, or narrowed down:
// key -> value -> sum, the largest first

export function labels(profile, type) {
  const keys = new Map();

  for (const { labels: of, values } of profile.samples) {
    for (const [key, value] of of) {
      if (!keys.has(key)) {
        keys.set(key, new Map());
      }

      const sums = keys.get(key);

      sums.set(value, (sums.get(value) ?? 0) + values[type]);
    }
  }

  for (const [key, sums] of keys) {
    keys.set(key, new Map([...sums].sort((a, b) => b[1] - a[1])));
  }

  return keys;
}

const node = (frame) =>
  ({ frame, total: 0, self: 0, before: 0, beforeSelf: 0, children: new Map() });

const groups = new Map();

// one object for a group, as a function has one

function group(key, value) {
  const name = `${key}: ${value ?? 'none'}`;

  if (!groups.has(name)) {
    groups.set(name, { name, module: '', file: '', group: true });
  }

  return groups.get(name);
}

// Adds the samples of a profile to a tree.  "side" is where the values go:
// "total", or "before" for what is compared with.

function grow(root, profile, { type, by, filter, scale, side, shared }) {
  const self = side === 'total' ? 'self' : 'beforeSelf';

  for (const { frames, values, labels: of } of profile.samples) {
    const value = values[type] * scale;

    if (!value || filter && of.get(filter.key) !== filter.value) {
      continue;
    }

    let at = root;

    const step = (frame) => {
      let next = at.children.get(frame.name + frame.module);

      if (!next) {
        next = node(frame);
        at.children.set(frame.name + frame.module, next);
      }

      next[side] += value;
      at = next;
    };

    root[side] += value;
    by.forEach((key) => step(group(key, of.get(key))));
    fold(frames, shared).forEach(step);
    at[self] += value;
  }
}

// The frames that all stacks share, from _start to the event loop, as one: by
// the outermost frame, since threads begin elsewhere.  Map of that frame's name
// to {name, module, file, folded: the frames}.

const enough = 3;    // frames that are worth it

export function sharedFrames(profiles) {
  const shared = new Map();

  for (const { frames } of profiles.flatMap(({ samples }) => samples)) {
    const known = shared.get(frames[0]?.name);

    if (!known) {
      shared.set(frames[0]?.name, frames);
      continue;
    }

    const end = known.findIndex(({ name, module }, i) =>
      name !== frames[i]?.name || module !== frames[i]?.module);

    if (end >= 0) {
      shared.set(frames[0]?.name, known.slice(0, end));
    }
  }

  return new Map([...shared].filter(([, { length }]) => length >= enough)
    .map(([first, folded]) => [first, {
      ...folded.at(-1),
      name: `${first} … ${folded.at(-1).name} (${folded.length} frames)`,
      folded,
    }]));
}

const fold = (frames, shared) => {
  const one = shared?.get(frames[0]?.name);

  return one ? [one, ...frames.slice(one.folded.length)] : frames;
};

// {root, before}: the tree of a profile, with the values of another one to
// compare it with.  "shared" are frames to fold.  CPU time is compared as CPU
// time in a second, since the two may have taken other times.

export function tree(profile, { type, by = [], filter = null, other = null,
                                shared = null }) {
  const root = node({ name: 'all', module: '', file: '', group: true });

  const name = profile.types[type]?.type;
  const than = other?.types.findIndex((t) => t.type === name) ?? -1;
  const perSecond = than >= 0 && profile.duration > 0 && other.duration > 0;

  grow(root, profile, {
    type, by, filter, shared, side: 'total',
    scale: perSecond ? 1 / profile.duration : 1,
  });

  if (than >= 0) {
    grow(root, other, {
      type: than, by, filter, shared, side: 'before',
      scale: perSecond ? 1 / other.duration : 1,
    });
  }

  return { root, compared: than >= 0, perSecond };
}

// Of a node, what its width stands for: with two profiles the sum of both, so
// that what is in one of them only is seen as well

export const weight = (of) => Math.abs(of.total) + Math.abs(of.before);

// from -1, in the one before only, to 1, in this one only

export const change = (of) =>
  weight(of) ? (of.total - of.before) / weight(of) : 0;

// The functions of a tree: {frame, self, total, before, beforeSelf}; a
// function that calls itself is counted once

export function functions(root) {
  const found = new Map();
  const open = new Map();

  const walk = (at) => {
    const { frame } = at;
    const key = frame.name + frame.module;
    const depth = open.get(key) ?? 0;

    if (!frame.group) {
      if (!found.has(key)) {
        found.set(key, { key, frame, self: 0, total: 0, before: 0,
                         beforeSelf: 0 });
      }

      const row = found.get(key);

      row.self += at.self;
      row.beforeSelf += at.beforeSelf;

      if (!depth) {
        row.total += at.total;
        row.before += at.before;
      }
    }

    open.set(key, depth + 1);
    at.children.forEach(walk);
    open.set(key, depth);
  };

  walk(root);

  return [...found.values()];
}

// Part of a tree's value that lies below a match, counted once; null without
// anything to search for

export function matched(root, test) {
  const walk = (at) => test(at.frame) ? at.total
    : [...at.children.values()].reduce((sum, child) => sum + walk(child), 0);

  return root.total ? walk(root) / root.total : null;
}

// A test of frames for text that is searched for

export function search(text) {
  const wanted = text.trim().toLowerCase();

  return wanted ? ({ name, module }) =>
    name.toLowerCase().includes(wanted)
    || module.toLowerCase().includes(wanted) : null;
}

// Whether a frame, or one that is folded in it, passes a test

export const passes = (frame, test) => (frame.folded ?? [frame]).some(test);

// How many samples a profile of a type is made of; null where they are not
// counted.  What a heap profile tells was made from them by the chance that a
// block is sampled, 1 - exp(-size / period).

export function sampled({ types, samples, period }, type, filter = null) {
  const index = (name) => types.findIndex((t) => t.type === name);
  const own = samples.filter(({ labels: of }) =>
    !filter || of.get(filter.key) === filter.value);

  const [, which] = /^(inuse|alloc)_/.exec(types[type]?.type) ?? [];

  if (which && period > 1) {
    const [objects, space] = [index(`${which}_objects`),
                              index(`${which}_space`)];

    return own.reduce((sum, { values }) => sum + (values[objects]
      ? Math.abs(values[objects])
        * (1 - Math.exp(-values[space] / values[objects] / period)) : 0), 0);
  }

  const counts = index('samples');

  return counts < 0 ? null
    : own.reduce((sum, { values }) => sum + values[counts], 0);
}

// A tree as rectangles: {node, parent, depth, left, width}, left and width as
// parts of one, parents before their children.  What is narrower than "least"
// is left out.

export function layout(root, least) {
  const boxes = [];
  const all = weight(root);

  const place = (at, parent, depth, left) => {
    const width = weight(at) / all;

    if (!(width >= least)) {
      return;
    }

    const box = { node: at, parent, depth, left, width };

    boxes.push(box);

    let next = left;

    [...at.children.values()]
      .sort((a, b) => weight(b) - weight(a)
                      || (a.frame.name < b.frame.name ? -1 : 1))
      .forEach((child) => {
        place(child, box, depth + 1, next);
        next += weight(child) / all;
      });
  };

  if (all) {
    place(root, null, 0, 0);
  }

  return boxes;
}

// CPU time by server and location: {total, values: Map of key to part,
// outside}, keys as the table of locations has them

export function byLocation(profile, type, keyOf) {
  const values = new Map();
  let total = 0;
  let outside = 0;

  for (const { labels: of, values: all } of profile.samples) {
    const value = all[type];

    total += value;

    if (of.has('server') && of.has('location')) {
      const key = keyOf({ server: of.get('server'),
                          location: of.get('location') });

      values.set(key, (values.get(key) ?? 0) + value);

    } else {
      outside += value;
    }
  }

  return { total, values, outside };
}
