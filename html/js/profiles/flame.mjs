// A flame graph on one canvas, the root at its top.

import { boxAt, draw as drawBoxes, isShown, row } from './boxes.mjs';
import { layout, passes } from './model.mjs';
import { createPalette, hues } from './palette.mjs';

export function createFlame(canvas, { onhover, onzoom }) {
  const palette = createPalette();

  const view = {
    palette,
    boxes: [],
    compared: false,
    found: null,     // a test of frames
    zoomed: null,    // a box
    chosen: null,    // a box: under the pointer, or by keyboard
    width: 0,        // px
  };

  let modules = [];  // of the tree, the largest first

  const draw = () => paint(canvas, view);

  const actions = {
    choose(box) {
      if (box !== view.chosen) {
        view.chosen = box;
        draw();
        onhover(box?.node ?? null);
      }
    },

    zoom(box) {
      view.zoomed = box && box.depth > 0 ? box : null;
      draw();
      onzoom(view.zoomed?.node ?? null);
    },
  };

  listen(canvas, view, actions);

  new ResizeObserver(() => {
    if (canvas.clientWidth !== view.width) {
      draw();
    }
  }).observe(canvas);

  return {
    // the tree that is shown from now on
    show(root, compared) {
      Object.assign(view, { boxes: layout(root, 1 / 20000), compared,
                            zoomed: null, chosen: null });
      modules = largest(view.boxes);
      modules.forEach(palette.hue);
      draw();
    },

    find(test) {
      view.found = test;
      draw();
    },

    // shows the first place of a function
    zoomTo: (test) =>
      actions.zoom(view.boxes.filter((box) => passes(box.node.frame, test))
                     .sort((a, b) => b.width - a.width)[0] ?? null),

    reset: () => actions.zoom(null),

    repaint() {
      palette.repaint();
      draw();
    },

    // what colours stand for: [[name, colour]]
    legend: () => view.compared ? []
      : modules.map((name) => [name || 'unknown', palette.hue(name)]),
  };
}

function paint(canvas, view) {
  const context = canvas.getContext('2d');
  const ratio = devicePixelRatio || 1;
  const rows = view.boxes.reduce((max, { depth }) => Math.max(max, depth + 1),
                                 0);
  const height = rows * row + 1;

  view.width = canvas.clientWidth;

  if (!view.width) {
    return;
  }

  canvas.width = Math.round(view.width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;

  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, height);
  drawBoxes(context, view);
}

// The modules that have a hue, by what is spent in them themselves

function largest(boxes) {
  const sums = new Map();

  for (const { node: { frame, self, beforeSelf } } of boxes) {
    if (!frame.group) {
      sums.set(frame.module, (sums.get(frame.module) ?? 0)
                             + Math.abs(self) + Math.abs(beforeSelf));
    }
  }

  return [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name)
    .slice(0, hues);
}

function listen(canvas, view, { choose, zoom }) {
  const under = ({ offsetX, offsetY }) => boxAt(view, offsetX, offsetY);

  canvas.addEventListener('mousemove', (event) => choose(under(event)));
  canvas.addEventListener('mouseleave', () => choose(null));
  canvas.addEventListener('blur', () => choose(null));

  canvas.addEventListener('click', (event) => {
    const box = under(event);

    if (box) {
      zoom(box === view.zoomed ? null : box);
    }
  });

  canvas.addEventListener('keydown', (event) => {
    const from = view.chosen ?? view.zoomed ?? view.boxes[0];
    const move = from && moves[event.key];

    if (move) {
      event.preventDefault();
      move({ view, from, choose, zoom });
    }
  });
}

const sibling = (view, box, step) => {
  const list = view.boxes.filter((b) => b.depth === box.depth
                                        && isShown(view, b));

  return list[list.indexOf(box) + step] ?? box;
};

const child = (view, box) =>
  view.boxes.find((b) => b.parent === box && isShown(view, b)) ?? box;

const moves = {
  ArrowUp: ({ from, choose }) => choose(from.parent ?? from),
  ArrowDown: ({ view, from, choose }) =>
    choose(view.chosen ? child(view, from) : from),
  ArrowLeft: ({ view, from, choose }) => choose(sibling(view, from, -1)),
  ArrowRight: ({ view, from, choose }) => choose(sibling(view, from, 1)),
  Enter: ({ from, zoom }) => zoom(from),
  ' ': ({ from, zoom }) => zoom(from),
  Escape: ({ zoom }) => zoom(null),
  Home: ({ view, choose }) => choose(view.boxes[0]),
};
