// What is shown of a capture: the lists to choose from above the graph.

import { el } from '../base/dom.mjs';
import { labels } from './model.mjs';
import { title, typeName } from './texts.mjs';

// the first that there are labels for is what is shown first
const groupings = [
  ['server, location', ['server', 'location']],
  ['nothing', []],
];

const select = (label, onchange) => {
  const node = el('select', { onchange });

  return { node, box: el('label', {}, `${label} `, node) };
};

// [value, text] of each option; the value that was chosen stays, if it can

function options(node, list) {
  const { value, length } = node;

  node.replaceChildren(...list.map(([v, text]) => el('option', { value: v },
                                                     text)));
  node.value = length && list.some(([v]) => v === value) ? value : list[0][0];
}

export function createChoices(onchange) {
  const type = select('Show', onchange);
  const by = select('Group by', onchange);
  const filter = select('Only', onchange);
  const other = select('Compare with', onchange);
  const fold = el('input', { type: 'checkbox', checked: true, onchange });
  const folds = el('label', {
    title: 'From _start to the event loop, as one frame',
  }, fold, ' Fold frames that all stacks share');

  return {
    boxes: [type.box, by.box, filter.box, other.box, folds],

    setType: (index) => {
      type.node.value = String(index);
    },

    compareWith: (index) => {
      other.node.value = String(index);
    },

    compareWithNothing: () => {
      other.node.value = '';
    },

    // what there is to choose for one of some captures
    show(current, captures) {
      const { profile, kind } = current;
      const same = captures.filter((c) => c !== current && c.kind === kind);

      options(type.node, profile.types.map((t, i) =>
        [String(i), `${typeName(t)}, ${t.unit}`]));
      type.box.hidden = profile.types.length < 2;

      showLabels(labels(profile, Number(type.node.value)), by, filter);

      options(other.node, [['', 'nothing'], ...same.map((c) =>
        [String(captures.indexOf(c)), title(c)])]);
      other.box.hidden = !same.length;
    },

    // as tree() takes it, but that "other" is the index of a capture, and
    // "folded" whether shared frames are to be
    chosen: () => ({
      type: Number(type.node.value),
      by: by.node.value ? by.node.value.split(',') : [],
      filter: filter.node.value ? JSON.parse(filter.node.value) : null,
      other: other.node.value === '' ? null : Number(other.node.value),
      folded: fold.checked,
    }),
  };
}

function showLabels(of, by, filter) {
  const keys = [...of.keys()].sort();
  const kept = filter.node.value;

  const groupBy = groupings.filter(([, list]) =>
    list.every((key) => of.has(key)));

  options(by.node, [...groupBy.map(([name, list]) => [list.join(), name]),
                    ...keys.map((key) => [key, key])]);

  filter.node.replaceChildren(el('option', { value: '' }, 'everything'),
    ...keys.map((key) => el('optgroup', { label: key },
      ...[...of.get(key)].slice(0, 50).map(([v]) =>
        el('option', { value: JSON.stringify({ key, value: v }) },
           `${key} ${v}`)))));
  filter.node.value = kept;
  filter.node.value ||= '';

  by.box.hidden = filter.box.hidden = !keys.length;
}
