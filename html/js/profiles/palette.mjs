// The colours of a flame graph.

import { change } from './model.mjs';

// Each module (nginx, libc, libcrypto, ...) has a hue of its own; the palette
// is pale, or dark, so that text on it stays readable.  After these eight all
// others are grey; which is which stands below the graph.

const light = ['#a9d6f2', '#f7c98b', '#a5dfc9', '#f0b6d4', '#f3e59a',
               '#c9c3ef', '#f2b8a5', '#c7dba0'];
const dark = ['#1d5678', '#7a4e12', '#12604a', '#773f5f', '#69601a',
              '#4a4587', '#7a3d29', '#4b6125'];

const others = ['#d5d8dc', '#454b53'];
const grouped = ['#e9ebee', '#2c3239'];

// differences, from blue over grey to orange
const less = [[0, 114, 178], [86, 180, 233]];
const more = [[213, 94, 0], [230, 140, 40]];
const same = [[226, 228, 232], [62, 68, 76]];
const strength = [.75, .6];

const mix = (a, b, part) => a.map((x, i) => Math.round(x + (b[i] - x) * part));

export const hues = light.length;

// A module keeps its hue in all captures of a visit.

export function createPalette() {
  const known = new Map([['nginx', 0]]);
  let side = 0;

  const hue = (module) => {
    if (!known.has(module)) {
      known.set(module, known.size);
    }

    return (side ? dark : light)[known.get(module)] ?? others[side];
  };

  const difference = (node) => {
    const part = change(node);

    return `rgb(${mix(same[side], (part < 0 ? less : more)[side],
                      Math.min(1, Math.abs(part)) * strength[side])})`;
  };

  return {
    hue,

    // of a node; "compared" of two captures
    of: (node, compared) => compared ? difference(node)
      : node.frame.group ? grouped[side] : hue(node.frame.module),

    // takes the colours of the page's theme
    repaint() {
      const { theme } = document.documentElement.dataset;

      side = (theme === 'light' || theme === 'dark' ? theme === 'dark'
        : matchMedia('(prefers-color-scheme: dark)').matches) ? 1 : 0;
    },
  };
}
