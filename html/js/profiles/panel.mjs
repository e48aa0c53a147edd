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
  const captures = [];
  let current = null;
  let view = null;        // what is shown of it

  const choices = createChoices(() => render());
  const tabs = createTabs({ choose: (i) => choose(captures[i]), remove });
  const graph = createGraph(root);
  const table = createFunctions({ zoomTo: graph.zoomTo });
  const found = createSearch(() => searched());
  const files = createFiles(() => current, say);
  const about = el('p', { class: 'summary', id: 'profile-summary' });
  const few = el('p', { class: 'warn', id: 'profile-caution' });

  root.replaceChildren(
    tabs.node,
    el('div', { class: 'bar-of-tools options' }, ...choices.boxes,
       ...found.parts),
    el('div', { class: 'bar-of-tools options' }, about, ...graph.buttons,
       ...files.buttons),
    few,
    graph.node,
    ...table.parts);

  function searched() {
    const test = found.test(view.root);

    graph.find(test);
    table.show(view, test);
  }

  function render() {
    if (!current) {
      return;
    }

    choices.show(current, captures);
    view = viewOf(current, captures, choices.chosen());

    graph.show(view);
    files.show(current, view);
    put(about, { text: summary(view, current) });
    put(few, { text: caution(view, current) });
    searched();
    tabs.show(captures, current);
  }

  function choose(capture) {
    const another = current?.kind !== capture.kind;

    current = capture;

    if (another) {
      choices.show(current, captures);
      choices.setType(firstType(capture.profile, capture.kind));
    }

    render();
  }

  function remove(i) {
    const [capture] = captures.splice(i, 1);

    choices.compareWithNothing();

    if (!captures.length) {
      current = null;
      root.hidden = true;

    } else if (capture === current) {
      choose(captures[Math.max(0, i - 1)]);

    } else {
      render();
    }
  }

  return {
    // {kind, label, worker, seconds, time, bytes}
    async add(capture) {
      capture.profile = await decode(capture.bytes);
      captures.push(capture);

      if (captures.length > most) {
        captures.shift();
        choices.compareWithNothing();
      }

      root.hidden = false;

      if (capture.kind === 'profile') {
        measured(locationsOf(capture));
      }

      choose(capture);
    },

    repaint() {
      forgetColours();
      graph.repaint();
    },
  };
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
