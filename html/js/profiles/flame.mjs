// A flame graph on one canvas, the root at its top.

import { colour } from '../base/dom.mjs';
import { change, layout } from './model.mjs';

const row = 19;      // px
const least = 0.6;   // px, the narrowest rectangle that is drawn

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

const mix = (a, b, part) => a.map((x, i) => Math.round(x + (b[i] - x) * part));

export function createFlame(canvas, { onhover, onzoom }) {
  const context = canvas.getContext('2d');

  let boxes = [];
  let modules = [];      // of the tree, the largest first
  let compared = false;
  let found = null;      // a test of frames
  let zoomed = null;     // a box
  let chosen = null;     // a box: under the pointer, or by keyboard
  let tall = 0;          // rows
  let night = false;
  let width = 0;

  const colourOf = ({ frame, ...rest }) => {
    const side = night ? 1 : 0;

    if (compared) {
      const part = change(rest);
      const grey = night ? [62, 68, 76] : [226, 228, 232];

      return `rgb(${mix(grey, (part < 0 ? less : more)[side],
                        Math.min(1, Math.abs(part)) * (night ? .6 : .75))})`;
    }

    if (frame.group) {
      return grouped[side];
    }

    return hue(frame.module);
  };

  // the same in all captures of a visit
  const hues = new Map([['nginx', 0]]);

  const hue = (module) => {
    if (!hues.has(module)) {
      hues.set(module, hues.size);
    }

    return (night ? dark : light)[hues.get(module)] ?? others[night ? 1 : 0];
  };

  // [left, width] in px
  const place = (box) => {
    if (!zoomed) {
      return [box.left * width, box.width * width];
    }

    if (box.depth <= zoomed.depth) {
      // the ancestors of what is zoomed, over the whole width
      for (let at = zoomed; at; at = at.parent) {
        if (at === box) {
          return [0, width];
        }
      }

      return [0, 0];
    }

    const factor = width / zoomed.width;
    const left = (box.left - zoomed.left) * factor;
    const right = left + box.width * factor;

    return right <= 0.01 || left >= width - 0.01
           ? [0, 0] : [left, box.width * factor];
  };

  function draw() {
    const ratio = devicePixelRatio || 1;
    const height = tall * row + 1;

    width = canvas.clientWidth;

    if (!width) {
      return;
    }

    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;

    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = '12px system-ui, sans-serif';
    context.textBaseline = 'middle';

    const text = colour('--text');
    const mark = colour('--found');

    for (const box of boxes) {
      const [left, wide] = place(box);

      if (wide < least) {
        continue;
      }

      const top = box.depth * row;
      const { frame } = box.node;
      const hit = found?.(frame);

      context.globalAlpha = zoomed && box.depth < zoomed.depth
                            || found && !hit ? 0.45 : 1;
      context.fillStyle = hit ? mark : colourOf(box.node);
      context.fillRect(left, top, Math.max(wide - 1, least), row - 1);
      context.globalAlpha = 1;

      if (wide > 24) {
        const sign = compared && !frame.group
          ? (change(box.node) > 0.05 ? '▲ ' : change(box.node) < -0.05
             ? '▼ ' : '') : '';

        context.fillStyle = text;
        context.fillText(fit(sign + frame.name, wide - 8), left + 4,
                         top + row / 2);
      }

      if (box === chosen) {
        context.strokeStyle = text;
        context.lineWidth = 1.5;
        context.strokeRect(left + .75, top + .75, Math.max(wide - 2.5, 1),
                           row - 2.5);
      }
    }
  }

  // As much of a name as there is room for; the width of a sign is known well
  // enough to measure seldom.

  let letter = 0;

  function fit(name, wide) {
    letter ||= context.measureText('abcdefgh_nginx').width / 14;

    const about = Math.floor(wide / letter);

    if (name.length <= about * 0.8
        || context.measureText(name).width <= wide)
    {
      return name;
    }

    let end = Math.min(name.length, about + 2);

    while (end > 0 && context.measureText(`${name.slice(0, end)}…`).width
                      > wide)
    {
      end--;
    }

    return end > 1 ? `${name.slice(0, end)}…` : '';
  }

  function at({ offsetX, offsetY }) {
    const depth = Math.floor(offsetY / row);

    return boxes.find((box) => {
      if (box.depth !== depth) {
        return false;
      }

      const [left, wide] = place(box);

      return wide >= least && offsetX >= left && offsetX < left + wide;
    }) ?? null;
  }

  function choose(box) {
    if (box !== chosen) {
      chosen = box;
      draw();
      onhover(box?.node ?? null);
    }
  }

  function zoom(box) {
    zoomed = box && box.depth > 0 ? box : null;
    draw();
    onzoom(zoomed?.node ?? null);
  }

  const shown = (box) => place(box)[1] >= least;

  const sibling = (box, step) => {
    const row = boxes.filter((b) => b.depth === box.depth && shown(b));

    return row[row.indexOf(box) + step];
  };

  function key(event) {
    const from = chosen ?? zoomed ?? boxes[0];

    if (!from) {
      return;
    }

    const moves = {
      ArrowUp: () => choose(from.parent ?? from),
      ArrowDown: () => choose(chosen
        ? boxes.find((b) => b.parent === from && shown(b)) ?? from : from),
      ArrowLeft: () => choose(sibling(from, -1) ?? from),
      ArrowRight: () => choose(sibling(from, 1) ?? from),
      Enter: () => zoom(from),
      ' ': () => zoom(from),
      Escape: () => zoom(null),
      Home: () => choose(boxes[0]),
    };

    if (moves[event.key]) {
      event.preventDefault();
      moves[event.key]();
    }
  }

  canvas.addEventListener('mousemove', (event) => choose(at(event)));
  canvas.addEventListener('mouseleave', () => choose(null));
  canvas.addEventListener('click', (event) => {
    const box = at(event);

    if (box) {
      zoom(box === zoomed ? null : box);
    }
  });
  canvas.addEventListener('keydown', key);
  canvas.addEventListener('blur', () => choose(null));

  new ResizeObserver(() => {
    if (canvas.clientWidth !== width) {
      draw();
    }
  }).observe(canvas);

  return {
    // the tree that is shown from now on
    show(root, isCompared) {
      const sums = new Map();

      boxes = layout(root, 1 / 20000);
      compared = isCompared;
      zoomed = chosen = null;
      tall = boxes.reduce((max, { depth }) => Math.max(max, depth), 0) + 1;

      for (const { node: { frame, self, beforeSelf } } of boxes) {
        if (!frame.group) {
          sums.set(frame.module, (sums.get(frame.module) ?? 0)
                                 + Math.abs(self) + Math.abs(beforeSelf));
        }
      }

      modules = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name)
        .slice(0, light.length);
      modules.forEach(hue);
      draw();
    },

    find(test) {
      found = test;
      draw();
    },

    // shows the first place of a function
    zoomTo: (test) => zoom(boxes.filter(({ node: { frame } }) => test(frame))
                             .sort((a, b) => b.width - a.width)[0] ?? null),

    reset: () => zoom(null),

    repaint() {
      night = matchMedia('(prefers-color-scheme: dark)').matches;

      const { theme } = document.documentElement.dataset;

      if (theme === 'light' || theme === 'dark') {
        night = theme === 'dark';
      }

      draw();
    },

    // what colours stand for: [[name, colour]]
    legend: () => compared ? [] : modules.map((name) =>
      [name || 'unknown', hue(name)]),
  };
}
