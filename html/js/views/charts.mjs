// The live charts: one time axis and one cursor for all of them.

import uPlot from 'uplot';

import { $, colour, el, put, putAttribute } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { interval, points, range, table } from '../store/store.mjs';

const height = 96;    // px, as the others
const left = 62;      // of the axis on the left

// Whether a label has room, px from the left of so many
const beside = (at, width) => at > 16 && at < width - 24;

// What a line looks like says which it is, with colour or without.

const strokes = [
  { colour: '--series-1', width: 1.75 },
  { colour: '--series-2', width: 1.75, dash: [5, 3] },
];

// series: [name, what it is]; "floor": whether the axis begins at 0

const charts = [
  { title: 'Memory', format: format.bytes, scale: 'bytes',
    series: [['alloc', 'allocated'], ['sys', 'held']] },
  { title: 'Connections', format: format.count, floor: true,
    series: [['connections', 'open']] },
  { title: 'Pauses', format: format.pauses, floor: true,
    series: [['pauses', 'paused']] },
  { title: 'Heap usage', format: format.percent,
    series: [['heap', 'of the heap in use']] },
  { title: 'Requests', format: format.perSecond, floor: true,
    series: [['requests', 'served'], ['errors', 'errors']] },
  { title: 'CPU', format: format.percent, floor: true,
    series: [['cpu', 'of one processor']] },
];

const names = charts.flatMap(({ series }) => series.map(([name]) => name));

// Steps that read well in the unit of the axis

const decimal = [...Array(24).keys()].flatMap((i) =>
  [1, 2, 5].map((n) => n * 10 ** (i - 9)));

const binary = [...Array(24).keys()].flatMap((i) =>
  [1, 2, 5, 10, 20, 50, 100, 200, 500]
    .map((n) => n * 1024 ** i)).slice(0, 50);

// the charts have the same axis, and most of it a moment later too
const clocks = new Map();

function clock(seconds) {
  if (!clocks.has(seconds)) {
    if (clocks.size > 200) {
      clocks.clear();
    }

    clocks.set(seconds, format.shortClock(seconds * 1000));
  }

  return clocks.get(seconds);
}

// A line in all charts where a worker died

let deaths = [];   // seconds since the epoch
let incidents = [];   // [seconds since the epoch, id]

// A range that is dragged over, in seconds; an incident whose mark is clicked

let selected = () => {};
let opened = () => {};

export const whenSelected = (f) => {
  selected = f;
};

export const whenMark = (f) => {
  opened = f;
};

const near = 6;   // px

function mark({ ctx, bbox, scales, valToPos }) {
  const { min, max } = scales.x;

  const lines = [...deaths.map((at) => [at, []]),
                 ...incidents.map(([at]) => [at, [4, 3]])];

  ctx.save();
  ctx.strokeStyle = colour('--bad');
  ctx.lineWidth = devicePixelRatio;

  for (const [at, dash] of lines.filter(([t]) => t >= min && t <= max)) {
    ctx.setLineDash(dash.map((n) => n * devicePixelRatio));

    const x = Math.round(valToPos(at, 'x', true));

    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }

  ctx.restore();
}

export function showMarks({ answers: { crashes } }) {
  const now = (crashes.reports ?? []).map(({ time }) => Date.parse(time) / 1000);

  if (now.join() !== deaths.join()) {
    deaths = now;
    plots.forEach(({ plot, visible }) => visible && plot.redraw(false));
  }
}

export function showIncidentMarks({ answers: { incidents: answer } }) {
  const now = (answer.incidents ?? []).map(({ time, id }) =>
    [Date.parse(time) / 1000, id]);

  if (now.join() !== incidents.join()) {
    incidents = now;
    plots.forEach(({ plot, visible }) => visible && plot.redraw(false));
  }
}

// a drag ends, or a click on a mark

function dragged(plot) {
  const { left, width } = plot.select;

  if (width >= near) {
    selected(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
  }

  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
}

function clicked(plot, { clientX }) {
  const x = clientX - plot.over.getBoundingClientRect().left;
  const mark = incidents.find(([at]) =>
    Math.abs(plot.valToPos(at, 'x') - x) <= near);

  if (mark) {
    opened(mark[1]);
  }
}

function options(chart, width, moved) {
  const font = '11px system-ui, sans-serif';

  const axis = {
    stroke: () => colour('--quiet'),
    grid: { stroke: () => colour('--line'), width: 1 },
    ticks: { show: false },
    font,
  };

  return {
    width,
    height,
    padding: [6, 8, 0, 0],
    legend: { show: false },
    cursor: {
      // a drag is of one chart, the cursor of all
      sync: { key: 'time', setSeries: false,
              filters: { pub: (type) => /^mouse(move|leave)$/.test(type) } },
      drag: { x: true, y: false, setScale: false, dist: near },
      y: false,
      points: { size: 7 },
    },
    hooks: { setCursor: [(plot) => moved(plot.cursor.idx)], draw: [mark],
             setSelect: [dragged],
             ready: [(plot) => plot.over.addEventListener('click', (event) =>
               clicked(plot, event))] },
    scales: {
      x: { range: (plot) => plot.span ?? [0, 1] },
      y: { range: (plot, low, high) => range(low, high, chart.floor) },
    },
    axes: [
      { ...axis, size: 22, space: 70, gap: 5, grid: { show: false },
        // one that would be cut off at the edge is left out
        values: (plot, splits) => splits.map((s) =>
          beside(plot.valToPos(s, 'x'), plot.width - left) ? clock(s)
                                                           : null) },
      { ...axis, size: left, space: 20, gap: 4,
        incrs: chart.scale === 'bytes' ? binary : decimal,
        values: (plot, splits) => splits.map((v) => chart.format(v)) },
    ],
    series: [
      {},
      ...chart.series.map(([, label], i) => ({
        label,
        stroke: () => colour(strokes[i].colour),
        width: strokes[i].width,
        dash: strokes[i].dash,
        fill: i ? undefined : () => colour('--area'),
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}

const plots = [];
let shown = null;   // the index under the cursor
let waiting = false;

function captions() {
  waiting = false;

  plots.forEach(({ data, chart, keys, time }) => {
    const index = shown ?? data[0].length - 1;

    put(time, { text: shown === null ? '' : clock(data[0][shown]) });

    keys.forEach((value, i) => put(value, {
      text: chart.format(data[i + 1][index]) ?? 'n/a',
    }));
  });
}

function moved(index) {
  const next = index ?? null;

  if (next !== shown) {
    shown = next;

    if (!waiting) {
      waiting = true;
      requestAnimationFrame(captions);
    }
  }
}

// The cursor by keyboard, in all charts

function step(event) {
  const last = plots[0].data[0].length - 1;
  const to = { ArrowLeft: (shown ?? last + 1) - 1, ArrowRight: (shown ?? last) + 1,
               Home: 0, End: last, Escape: null }[event.key];

  if (to === undefined || last < 0) {
    return;
  }

  event.preventDefault();

  const index = to === null ? null : Math.min(last, Math.max(0, to));

  plots.forEach(({ data, plot: { valToPos, setCursor } }) =>
    setCursor(index === null ? { left: -10, top: -10 }
                             : { left: valToPos(data[0][index], 'x'), top: 0 },
              false));
  moved(index);
  captions();
}

function make(chart) {
  const keys = chart.series.map(() => el('strong'));

  const legend = chart.series.map(([, label], i) =>
    el('span', { class: 'key' }, el('i', { class: `line line-${i + 1}` }),
       keys[i], ` ${label}`));

  const time = el('time', { class: 'quiet' });
  const box = el('div', { class: 'plot' });

  const figure = el('figure', { class: 'panel' },
    el('figcaption', {}, el('b', {}, chart.title), ...legend, time), box);

  box.tabIndex = 0;
  box.setAttribute('role', 'img');
  box.addEventListener('keydown', step);
  box.addEventListener('blur', () => step(new KeyboardEvent('keydown',
                                                            { key: 'Escape' })));
  $('charts').append(figure);

  const data = [[], ...chart.series.map(() => [])];
  const plot = new uPlot(options(chart, 300, moved), data, box);
  const one = { chart, plot, data, box, keys, time, visible: true };

  plots.push(one);

  // what is not in sight is drawn when it comes there
  new IntersectionObserver((entries) => {
    one.visible = entries.at(-1).isIntersecting;
    draw(one);
  }).observe(box);

  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.floor(contentRect.width);

    if (width > 0 && width !== plot.width) {
      plot.setSize({ width, height });
    }
  }).observe(box);
}

function draw({ plot, data, visible }) {
  if (visible && plot.data !== data) {
    plot.setData(data);
  }
}

// For those who do not see the curve

function summary({ title, series, format: f }, data) {
  const parts = series.map(([, label], i) => {
    const known = data[i + 1].filter((v) => v !== null);

    return known.length
      ? `${label}: now ${f(data[i + 1].at(-1)) ?? 'n/a'}, lowest `
        + `${f(Math.min(...known))}, highest ${f(Math.max(...known))}`
      : `${label}: no values yet`;
  });

  return `${title}. ${parts.join('; ')}. Arrow keys move the cursor.`;
}

export function showCharts(answer, history) {
  const every = answer?.interval_ms ?? interval;
  const span = every * (points - 1) / 1000;

  if (!plots.length) {
    charts.forEach(make);
  }

  put($('h-charts'), { text: `Last ${format.uptime(every * points / 1e3)}` });

  const [time, ...columns] = table(history, names, every);
  const end = time.at(-1) ?? Date.now() / 1000;

  plots.forEach((one) => {
    const { plot, chart, box } = one;
    const data = [time, ...chart.series.map(([name]) =>
      columns[names.indexOf(name)])];

    one.data = data;
    plot.span = [end - span, end];
    draw(one);
    putAttribute(box, 'aria-label', summary(chart, data));
  });

  if (shown !== null) {
    shown = Math.min(shown, plots[0].data[0].length - 1);
  }

  captions();
}

// A worker that hangs makes no samples: what it holds is in the figures above,
// which are of its last one, and not in the end of the curves.

export function showCurves(list, sample) {
  const silent = list.filter(({ state }) => state === 'stuck')
    .map(({ pid }) => pid);

  put($('curves-note'), {
    text: silent.length && sample?.workers < list.length
      ? `worker ${silent.join(', ')} is silent: the end of the curves is without it`
      : '',
  });
}

export const repaint = () => plots.forEach(({ plot }) => plot.redraw());
