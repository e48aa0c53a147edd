// The flame graph with what stands around it: the frame that is chosen, the
// legend, and the buttons that zoom out.

import { el, put } from '../base/dom.mjs';
import { createFlame } from './flame.mjs';
import { describe } from './texts.mjs';

const compared = '▲ orange: grew; ▼ blue: shrank; grey: the same. Widths are '
                 + 'the sum of both captures.';

// "whole" is what goes to the full screen

export function createGraph(whole) {
  let view = null;

  const canvas = el('canvas', {
    tabindex: 0, role: 'application', 'aria-label': 'Flame graph',
    'aria-describedby': 'profile-summary',
    'aria-roledescription': 'flame graph: arrow keys move, Enter zooms, '
                            + 'Escape shows all',
  });

  const detail = el('p', { class: 'detail', 'aria-live': 'polite' });
  const legend = el('p', { class: 'legend quiet' });
  const node = el('div', { class: 'graph' }, detail,
                  el('div', { class: 'canvas' }, canvas), legend);

  const tell = (of) => put(detail, { text: describe(view, of) });
  const reset = el('button', { onclick: () => flame.reset() }, 'Reset zoom');

  const flame = createFlame(canvas, {
    onhover: tell,
    onzoom: (of) => {
      reset.disabled = !of;
      tell(of);
    },
  });

  const showLegend = () => legend.replaceChildren(
    ...(view.compared ? [compared] : flame.legend().map(swatch)));

  reset.disabled = true;
  flame.repaint();

  return {
    node,
    buttons: [reset, fullScreen(whole)],
    find: flame.find,

    show(of) {
      view = of;
      flame.show(view.drawn, view.compared);
      tell(null);
      reset.disabled = true;
      showLegend();
    },

    zoomTo(test) {
      flame.zoomTo(test);
      node.scrollIntoView({ block: 'nearest' });
    },

    repaint() {
      flame.repaint();

      if (view) {
        showLegend();
      }
    },
  };
}

function swatch([name, colour]) {
  const box = el('i', { class: 'swatch' });

  box.style.background = colour;

  return el('span', {}, box, name);
}

function fullScreen(whole) {
  const button = el('button', { onclick: () => {
    if (document.fullscreenElement) {
      document.exitFullscreen();

    } else {
      whole.requestFullscreen?.();
    }
  } }, 'Full screen');

  button.hidden = !document.fullscreenEnabled;

  document.addEventListener('fullscreenchange', () => {
    put(button, { text: document.fullscreenElement ? 'Leave full screen'
                                                   : 'Full screen' });
  });

  return button;
}
