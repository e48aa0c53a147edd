// What the panel says about a capture, about what is shown of it ("view", as
// the panel makes it), and about a frame.

import * as format from '../base/format.mjs';

// what a profile without a time of its own is of, and what was sampled

const spans = {
  heap: 'in use when the profile was taken, of what the workers allocated',
  allocs: 'since nginx started',
  block: 'since nginx started',
  mutex: 'since nginx started',
  latency: 'since nginx started',
};

const rates = { heap: 'allocated, on average', allocs: 'on average' };

export const fileName = ({ kind, time }) =>
  `${kind === 'profile' ? 'cpu' : kind}-${Math.floor(time / 1000)}.prof`;

export const title = ({ label, time, worker }) =>
  `${label}${worker === null ? '' : `, worker ${worker}`}, `
  + format.clock(time);

// "in-use space": pprof writes inuse_space
export const typeName = ({ type }) =>
  type.replace('inuse_', 'in-use ').replace('alloc_', 'allocated ').replaceAll('_', ' ');

const perSecond = (view) => view.perSecond ? '/s' : '';

export const amount = (view, value) =>
  (view.unit(value) ?? 'n/a') + perSecond(view);

export const rise = (view, value) =>
  (format.signed(view.unit)(value) ?? 'n/a') + perSecond(view);

export const share = (value, of) => of ? format.fraction(value / of) : 'n/a';

// The frame that is chosen, or what can be done

export function describe(view, node) {
  if (!node) {
    return view ? 'Point at a frame, or use the arrow keys. Click or Enter '
                  + 'zooms, Escape shows all.' : '';
  }

  const { frame: { name, module, file, folded }, total, self, before } = node;
  const { root, compared } = view;

  return [
    name,
    `${amount(view, total)} (${share(total, root.total)})`,
    compared && `before ${amount(view, before)} (${share(before, root.before)}),`
                + ` ${rise(view, total - before)}`,
    !compared && self && `${amount(view, self)} in the function itself`,
    folded && `all stacks share ${folded.map((f) => f.name).join(', ')}`,
    module,
    file,
  ].filter(Boolean).join(' · ');
}

export function summary(view, { profile, kind, seconds }) {
  const { root: { total, before }, compared } = view;
  const used = profile.types[view.type];
  const span = profile.duration || seconds;

  if (!profile.samples.length) {
    return 'This profile has no samples: nothing of this kind was seen.';
  }

  return [
    `${used ? typeName(used) : ''} ${amount(view, total)}`.trim(),
    compared && `before ${amount(view, before)}, ${rise(view, total - before)}`,
    span ? `taken over ${format.seconds(span)}` : spans[kind],
    profile.period > 1 && kind in rates
      && `one sample every ${format.bytes(profile.period)} ${rates[kind]}`,
    kind === 'profile' && !compared && span
      && `${format.fraction(total / 1e9 / span)} of one processor`,
    ...profile.comments.slice(0, 3),
  ].filter(Boolean).join(' · ');
}

// With so many samples the standard error of the total is a tenth of it.

const enough = 100;

const remedies = {
  heap: 'A smaller profiling_heap_rate takes more samples.',
  allocs: 'A smaller profiling_heap_rate takes more samples.',
  profile: 'A longer profile, or a higher profiling_cpu_rate, takes more.',
};

export function caution({ samples }, { kind }) {
  const n = Math.round(samples);

  if (samples === null || n >= enough || !(kind in remedies)) {
    return '';
  }

  const how = !n ? 'There are no' : kind === 'profile' ? `Only ${n}`
    : `Only about ${n}`;

  return `▲ ${how} sample${n === 1 ? '' : 's'}: this profile proves little. `
         + remedies[kind];
}
