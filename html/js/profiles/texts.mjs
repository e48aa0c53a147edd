// What the panel says about a capture, about what is shown of it ("view", as
// the panel makes it), and about a frame.

import * as format from '../base/format.mjs';

// what a profile without a time of its own is of, and what was sampled

const spans = {
  heap: 'in use when it was taken, of what the workers allocated themselves',
  allocs: 'since the start of nginx',
  block: 'since the start of nginx',
  mutex: 'since the start of nginx',
};

const rates = { heap: 'allocated, on average', allocs: 'on average' };

export const fileName = ({ kind, time }) =>
  `${kind === 'profile' ? 'cpu' : kind}-${Math.floor(time / 1000)}.prof`;

export const title = ({ label, time, worker }) =>
  `${label}${worker === null ? '' : `, worker ${worker}`}, `
  + format.clock(time);

export const typeName = ({ type }) => type.replaceAll('_', ' ');

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

  const { frame: { name, module, file }, total, self, before } = node;
  const { root, compared } = view;

  return [
    name,
    `${amount(view, total)} (${share(total, root.total)})`,
    compared && `before ${amount(view, before)} (${share(before, root.before)}),`
                + ` ${rise(view, total - before)}`,
    !compared && self && `${amount(view, self)} in itself`,
    module,
    file,
  ].filter(Boolean).join(' · ');
}

export function summary(view, { profile, kind, seconds }) {
  const { root: { total, before }, compared } = view;
  const used = profile.types[view.type];
  const span = profile.duration || seconds;

  if (!profile.samples.length) {
    return 'There is no sample in this profile: nothing of that kind happened.';
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
