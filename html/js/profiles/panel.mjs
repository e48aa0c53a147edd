// The captures of this visit: flame graph and table of one of them, or of the
// difference of two.

import { el, forgetColours, put, save } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { keyOf } from '../store/store.mjs';
import { createChoices } from './choices.mjs';
import { createFunctions } from './functions.mjs';
import { createGraph } from './graph.mjs';
import { byLocation, firstType, matched, sampled, search, sharedFrames, tree }
  from './model.mjs';
import { decode } from './proto.mjs';
import { openSpeedscope } from './speedscope.mjs';
import { createTabs } from './tabs.mjs';
import { caution, fileName, summary } from './texts.mjs';

const most = 10;    // captures that are kept

export function createPanel(root, { say, measured }) {
  const panel = {
    root,
    captures: [],
    current: null,     // one of them
    view: null,        // what is shown of it
  };

  const graph = createGraph(root);

  Object.assign(panel, {
    graph,
    choices: createChoices(() => render(panel)),
    tabs: createTabs({ choose: (i) => choose(panel, panel.captures[i]),
                       remove: (i) => remove(panel, i) }),
    table: createFunctions({ zoomTo: graph.zoomTo }),
    found: createSearch(() => searched(panel)),
    files: createFiles(() => panel.current, say),
    about: el('p', { class: 'summary', id: 'profile-summary' }),
    few: el('p', { class: 'warn', id: 'profile-caution' }),
  });

  layOut(panel);

  return {
    // {kind, label, worker, seconds, time, bytes}; "past": of what is over,
    // "than": another one that it is compared with
    async add(capture) {
      const { captures } = panel;

      capture.profile = await decode(capture.bytes);
      captures.push(capture);

      if (captures.length > most) {
        captures.shift();
        panel.choices.compareWithNothing();
      }

      root.hidden = false;

      if (capture.kind === 'profile' && !capture.past) {
        measured(locationsOf(capture));
      }

      choose(panel, capture);

      if (capture.than) {
        panel.choices.compareWith(captures.indexOf(capture.than));
        render(panel);
      }
    },

    repaint() {
      forgetColours();
      graph.repaint();
    },
  };
}

function layOut({ root, tabs, choices, found, about, graph, files, few, table }) {
  root.replaceChildren(
    tabs.node,
    el('div', { class: 'bar-of-tools options' }, ...choices.boxes,
       ...found.parts),
    el('div', { class: 'bar-of-tools options' }, about, ...graph.buttons,
       ...files.buttons),
    few,
    graph.node,
    ...table.parts);
}

function searched({ found, view, graph, table }) {
  const test = found.test(view.root);

  graph.find(test);
  table.show(view, test);
}

function render(panel) {
  const { captures, current, choices, graph, files, about, few, tabs } = panel;

  if (!current) {
    return;
  }

  choices.show(current, captures);
  panel.view = viewOf(current, captures, choices.chosen());

  graph.show(panel.view);
  files.show(current, panel.view);
  put(about, { text: summary(panel.view, current) });
  put(few, { text: caution(panel.view, current) });
  searched(panel);
  tabs.show(captures, current);
}

function choose(panel, capture) {
  const another = panel.current?.kind !== capture.kind;

  panel.current = capture;

  if (another) {
    panel.choices.show(capture, panel.captures);
    panel.choices.setType(firstType(capture.profile, capture.kind));
  }

  render(panel);
}

function remove(panel, i) {
  const { captures } = panel;
  const [capture] = captures.splice(i, 1);

  panel.choices.compareWithNothing();

  if (!captures.length) {
    panel.current = null;
    panel.root.hidden = true;

  } else if (capture === panel.current) {
    choose(panel, captures[Math.max(0, i - 1)]);

  } else {
    render(panel);
  }
}

// What is shown of a capture, by what is chosen

function viewOf({ profile }, captures, { other, folded, ...chosen }) {
  const than = other === null ? null : captures[other].profile;
  const shared = folded ? sharedFrames([profile, than ?? []].flat()) : null;
  const whole = tree(profile, { ...chosen, other: than });

  return {
    ...whole,
    drawn: shared?.size ? tree(profile, { ...chosen, other: than, shared }).root
                        : whole.root,
    type: chosen.type,
    samples: sampled(profile, chosen.type, chosen.filter),
    unit: format.ofUnit(profile.types[chosen.type]?.unit),
  };
}

function createSearch(oninput) {
  const field = el('input', { type: 'search', placeholder: 'Search functions',
                              'aria-label': 'Search functions', oninput });
  const hits = el('p', { class: 'quiet', role: 'status' });

  return {
    parts: [field, hits],

    // a test of frames, or null; tells how much of a tree passes
    test(root) {
      const test = search(field.value);
      const part = test && matched(root, test);

      put(hits, {
        text: !test ? '' : part ? `${format.fraction(part)} in functions that match`
                                : 'no function matches',
      });

      return test;
    },
  };
}

function createFiles(current, say) {
  const speedscope = el('button', {
    onclick: () => openSpeedscope(current(), say),
  }, 'Open in speedscope');

  return {
    buttons: [
      el('button', {
        onclick: () => save(new Blob([current().bytes]), fileName(current())),
      }, 'Download'),
      speedscope,
    ],

    show({ profile }, { type }) {
      // a difference may be negative, and speedscope takes no such values
      const negative = profile.samples.some((s) => s.values[type] < 0);

      speedscope.disabled = negative;
      speedscope.title = negative ? 'speedscope takes no negative values'
                                  : 'In a new window';
    },
  };
}

// The column CPU of the table of locations, or null

function locationsOf({ profile, time, seconds }) {
  const { total, values, outside } =
    byLocation(profile, firstType(profile, 'profile'), keyOf);

  return total > 0 ? {
    total,
    values,
    outside: format.fraction(outside / total),
    title: `${format.nanoseconds(total)} in the profile of `
           + `${format.seconds(seconds)} at ${format.clock(time)}`,
  } : null;
}
