// Where the boxes of a flame graph are, and how they are drawn.  "view" is what
// is shown: {boxes, width, compared, zoomed, chosen, found, palette}.

import { colour } from '../base/dom.mjs';
import { change, passes } from './model.mjs';

export const row = 19;   // px
const least = 0.6;       // px, the narrowest rectangle that is drawn

// [left, width] in px

function place({ zoomed, width }, box) {
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
}

export const isShown = (view, box) => place(view, box)[1] >= least;

// The box at a point, or null

export function boxAt(view, x, y) {
  const depth = Math.floor(y / row);

  return view.boxes.find((box) => {
    if (box.depth !== depth) {
      return false;
    }

    const [left, wide] = place(view, box);

    return wide >= least && x >= left && x < left + wide;
  }) ?? null;
}

export function draw(context, view) {
  const paint = { text: colour('--text'), mark: colour('--found') };

  context.font = '12px system-ui, sans-serif';
  context.textBaseline = 'middle';

  for (const box of view.boxes) {
    const [left, wide] = place(view, box);

    if (wide >= least) {
      drawBox(context, view, box, { left, wide, top: box.depth * row,
                                    ...paint });
    }
  }
}

function drawBox(context, { zoomed, found, compared, chosen, palette }, box,
                 { left, wide, top, text, mark }) {
  const { frame } = box.node;
  const hit = found && passes(frame, found);

  context.globalAlpha = zoomed && box.depth < zoomed.depth || found && !hit
    ? 0.45 : 1;
  context.fillStyle = hit ? mark : palette.of(box.node, compared);
  context.fillRect(left, top, Math.max(wide - 1, least), row - 1);
  context.globalAlpha = 1;

  if (wide > 24) {
    const sign = compared && !frame.group ? signOf(box.node) : '';

    context.fillStyle = text;
    context.fillText(fit(context, sign + frame.name, wide - 8), left + 4,
                     top + row / 2);
  }

  if (box === chosen) {
    context.strokeStyle = text;
    context.lineWidth = 1.5;
    context.strokeRect(left + .75, top + .75, Math.max(wide - 2.5, 1),
                       row - 2.5);
  }
}

function signOf(node) {
  const part = change(node);

  return part > 0.05 ? '▲ ' : part < -0.05 ? '▼ ' : '';
}

// As much of a name as there is room for; the width of a sign is known well
// enough to measure seldom.

let letter = 0;

function fit(context, name, wide) {
  letter ||= context.measureText('abcdefgh_nginx').width / 14;

  const about = Math.floor(wide / letter);

  if (name.length <= about * 0.8 || context.measureText(name).width <= wide) {
    return name;
  }

  let end = Math.min(name.length, about + 2);

  while (end > 0
         && context.measureText(`${name.slice(0, end)}…`).width > wide)
  {
    end--;
  }

  return end > 1 ? `${name.slice(0, end)}…` : '';
}
