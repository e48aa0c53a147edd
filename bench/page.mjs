// What an update of the page costs with 16 workers of a real nginx, in the
// browser's own account of its CPU time: for bench/page, which it tells, of each
// kind of update, the ms of script of the one that was disturbed least.

import assert from 'node:assert/strict';

import { bare } from '../t/ui/lib/bare.mjs';
import { direct, load, start, stop, until } from '../t/ui/lib/site.mjs';

const updates = Number(process.env.UI_UPDATES || 120);

let page;


// Runs in the page.  update() takes one at once, and waits for its end: the page
// sets the timer of the next.

function instruments() {
  const later = window.setTimeout;
  let ended = () => {};

  window.setTimeout = (f, ms, ...rest) => {
    if (ms >= 2000) {
      ended();
    }

    return later(f, ms, ...rest);
  };

  window.update = () => new Promise((resolve) => {
    ended = () => requestAnimationFrame(() => later(resolve));
    performance.mark('update');
    document.getElementById('retry').click();
  });
}

// What is script

const script = new Set(['FunctionCall', 'RunMicrotasks', 'EvaluateScript',
                        'TimerFire', 'EventDispatch', 'FireAnimationFrame']);

// Of each update, in ms of CPU time: [{cpu}], with what the browser does in the
// middle of script for reasons of its own, or because the script asked for it

function sums(events) {
  const marks = events.filter(({ name, cat }) =>
    name === 'update' && /user_timing/.test(cat)).sort((a, b) => a.ts - b.ts);
  const [{ pid, tid }] = marks;

  const parts = events.filter((e) =>
    e.ph === 'X' && e.pid === pid && e.tid === tid && e.tdur >= 0)
    .sort((a, b) => a.ts - b.ts || b.dur - a.dur);

  const found = [];
  let end = 0;   // of the outermost script

  for (const e of parts) {
    // the mark stands in the call that sets it
    while (found.length < marks.length
           && marks[found.length].ts < e.ts + e.dur)
    {
      found.push({ cpu: 0 });
    }

    const now = found.at(-1);

    if (!now) {
      continue;
    }

    if (e.ts >= end && script.has(e.name)) {
      end = e.ts + e.dur;
      now.cpu += e.tdur / 1e3;
    }
  }

  return found;
}

const quantile = (list, part) =>
  [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) * part)];

// The page asks for different things in five updates, and then again.
const kinds = 5;

async function measured() {
  const done = load('/hello', 1);

  const run = async (expression) => {
    const { result, exceptionDetails } = await page.send('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true,
    });

    assert.equal(exceptionDetails, undefined);

    return result.value;
  };

  const update = async (n) => {
    for (let i = 0; i < n; i++) {
      await run('update()');
    }
  };

  await page.send('Page.enable');
  await page.send('Page.addScriptToEvaluateOnNewDocument',
                  { source: `(${instruments})()` });
  await page.send('Page.navigate', { url: direct });
  await until('16 workers', 60, () =>
    run('document.querySelectorAll("#workers tbody tr").length === 16'));

  // the charts fill, and the compiler has seen it all
  await update(20);

  let events = [];
  let complete;

  page.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  page.on('Tracing.tracingComplete', () => complete());

  // ms, of those of each kind that were disturbed least
  const measure = async () => {
    const ended = new Promise((resolve) => { complete = resolve; });

    events = [];
    await page.send('Tracing.start', {
      transferMode: 'ReportEvents',
      traceConfig: {
        includedCategories: ['devtools.timeline', 'v8.execute',
                             'blink.user_timing'],
      },
    });
    await update(updates);
    await page.send('Tracing.end');
    await ended;

    const found = sums(events);
    const costs = Array.from({ length: kinds }, (_, kind) =>
      quantile(found.filter((__, i) => i % kinds === kind)
        .map(({ cpu }) => cpu), 0.1));

    assert.equal(found.length, updates);
    assert.ok(Math.min(...costs) > 0.3, 'there was work in each');

    return costs;
  };

  // What else the machine does, which caches it leaves cold, and how fast it
  // lets a processor be, can only add to what an update costs.
  const turns = [];

  for (let turn = 0; turn < 4; turn++) {
    turns.push(await measure());
  }

  await done();

  return Array.from({ length: kinds }, (_, kind) =>
    Math.min(...turns.map((costs) => costs[kind])));
}

try {
  await start({ workers: 16, interval: '200ms' });
  page = await bare();
  console.log((await measured()).map((ms) => ms.toFixed(3)).join(' '));

} finally {
  await page?.close();
  await stop();
}
