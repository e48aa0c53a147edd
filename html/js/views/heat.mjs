// CPU time by location over the time that is recorded: a row for each location,
// a column for each step, darker where more was used.  A part of it that is
// dragged over, or chosen by the arrow keys, is a range of time.

import { $, colour, el, put, putAttribute, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { heat, runs } from '../store/past.mjs';

const rowHeight = 18;   // px
const names = 210;      // px at the left
const most = 12;        // rows; the others are added up

let shown = null;       // what heat() has made of the latest answer
let drawn = 0;          // px: its width, when it was drawn last
let drag = null;        // columns: [where it began, where it is]
let chosen = () => {};

export const whenRange = (f) => {
  chosen = f;
};

const canvas = el('canvas', { id: 'heat-map', tabindex: '0', role: 'img' });

const columnWidth = () => (canvas.clientWidth - names) / shown.steps;

const columnAt = ({ offsetX }) =>
  Math.max(0, Math.min(shown.steps - 1,
                       Math.floor((offsetX - names) / columnWidth())));

const time = (column) => shown.from + column * shown.step;

function resize(width, height) {
  for (const [side, size] of [['width', width], ['height', height]]) {
    const pixels = Math.round(size * devicePixelRatio);

    if (canvas[side] !== pixels) {
      canvas[side] = pixels;
    }
  }

  if (canvas.style.height !== `${height}px`) {
    canvas.style.height = `${height}px`;
  }
}

function draw() {
  const { rows, peak, gone } = shown;
  const width = canvas.clientWidth;
  const height = rows.length * rowHeight;
  const ctx = canvas.getContext('2d');

  drawn = width;

  const each = columnWidth();

  resize(width, height);

  ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  ctx.globalAlpha = 1;
  ctx.font = '12px system-ui, sans-serif';
  ctx.textBaseline = 'middle';

  rows.forEach(({ name, values }, row) => {
    const top = row * rowHeight;

    ctx.globalAlpha = 1;
    ctx.fillStyle = colour('--quiet');
    ctx.fillText(name, 0, top + rowHeight / 2, names - 8);

    ctx.fillStyle = colour('--area');
    ctx.fillRect(names, top + 1, width - names, rowHeight - 2);
    ctx.fillStyle = colour('--series-1');

    values.forEach((value, column) => {
      if (value) {
        ctx.globalAlpha = 0.12 + 0.88 * Math.sqrt(value / peak);
        ctx.fillRect(names + column * each, top + 1,
                     Math.max(1, each - 0.5), rowHeight - 2);
      }
    });
  });

  // where nothing was recorded there is no row

  ctx.globalAlpha = 1;
  ctx.fillStyle = colour('--panel');

  for (const [a, b] of runs(gone)) {
    ctx.fillRect(names + a * each, 0, (b - a) * each, height);
  }

  if (drag) {
    const [a, b] = [Math.min(...drag), Math.max(...drag) + 1];

    ctx.globalAlpha = 1;
    ctx.strokeStyle = colour('--text');
    ctx.strokeRect(names + a * each, 0.5, (b - a) * each, height - 1);
  }
}

function tell() {
  const [a, b] = drag ? [Math.min(...drag), Math.max(...drag) + 1]
                      : [0, shown.steps];
  const used = shown.total.slice(a, b).reduce((sum, v) => sum + (v ?? 0), 0);

  put($('heat-note'), {
    text: `${format.clock(time(a) * 1000)} to ${format.clock(time(b) * 1000)}: `
          + `${format.seconds(used)} of CPU time. Drag over a part of it, or `
          + 'use the arrow keys and Enter, for its flame graph.',
  });
}

function choose() {
  if (drag) {
    chosen(time(Math.min(...drag)), time(Math.max(...drag) + 1));
  }
}

canvas.addEventListener('pointerdown', (event) => {
  if (shown && event.offsetX >= names) {
    canvas.setPointerCapture(event.pointerId);
    drag = [columnAt(event), columnAt(event)];
    draw();
    tell();
  }
});

canvas.addEventListener('pointermove', (event) => {
  if (event.buttons && drag) {
    drag[1] = columnAt(event);
    draw();
    tell();
  }
});

canvas.addEventListener('pointerup', choose);

canvas.addEventListener('keydown', (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];

  if (!shown || (!by && event.key !== 'Enter' && event.key !== 'Escape')) {
    return;
  }

  event.preventDefault();

  if (event.key === 'Enter') {
    choose();
    return;
  }

  if (by) {
    const at = Math.max(0, Math.min(shown.steps - 1,
                                    (drag?.[1] ?? shown.steps) + by));

    drag = event.shiftKey && drag ? [drag[0], at] : [at, at];

  } else {
    drag = null;
  }

  draw();
  tell();
});

export function showHeat({ answers: { timeline } }) {
  if (!canvas.parentNode) {
    $('heat').append(canvas);
    new ResizeObserver(() => shown && canvas.clientWidth !== drawn && draw())
      .observe($('heat'));
  }

  shown = heat(timeline, most);
  putHidden($('heat'), !shown.rows.length);

  if (!shown.rows.length) {
    put($('heat-note'), { text: timeline.hertz
      ? 'No CPU time is recorded yet.'
      : 'Nothing is recorded: profiling_record is off.' });
    return;
  }

  putAttribute(canvas, 'aria-label', 'CPU time by location. '
    + shown.rows.slice(0, 3).map(({ name, sum }) =>
      `${name}: ${format.seconds(sum)}`).join(', '));

  draw();
  tell();
}

export const repaintHeat = () => shown?.rows.length && draw();
