// What an update of the page does, with 16 workers of a real nginx: what it asks
// for, what it changes in the document, draws, and has the browser lay out.
// How long that takes is a figure of bench/page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { bare } from './lib/bare.mjs';
import { direct, load, start, stop, until } from './lib/site.mjs';

const limits = { timeout: 280000 };

let page;

before(async () => {
  await start({ workers: 16, interval: '200ms' });
  page = await bare();
});

after(async () => {
  await page?.close();
  await stop();
});


// Runs in the page.  update() takes one at once, waits for its end, which is when
// the page sets the timer of the next, and for the frame that shows it, and tells
// what was done.

function instruments() {
  const later = window.setTimeout;
  const ask = window.fetch;
  let ended = () => {};
  let done = {};

  const count = (what, n = 1) => { done[what] = (done[what] ?? 0) + n; };

  window.setTimeout = (f, ms, ...rest) => {
    if (ms >= 2000) {
      ended();
    }

    return later(f, ms, ...rest);
  };

  window.fetch = (...args) => {
    count('requests');
    return ask(...args);
  };

  const canvas = CanvasRenderingContext2D.prototype;

  for (const [name, { value }] of
    Object.entries(Object.getOwnPropertyDescriptors(canvas)))
  {
    if (typeof value === 'function') {
      canvas[name] = function (...args) {
        count(name === 'clearRect' ? 'canvases' : 'draws');
        return value.apply(this, args);
      };
    }
  }

  // what a node says, before and after: of a figure that is written its text goes
  // and another one comes
  const texts = (nodes) => [...nodes].map((node) => node.textContent).join('');

  const observer = new MutationObserver((records) => {
    for (const { type, target, addedNodes, removedNodes, attributeName, oldValue }
      of records)
    {
      // their rows come, go and change places; a busy machine has some, too
      const list = target.closest?.('ul, #pauses, #modules, #incidents, #slow, '
        + '#crashes, #reloads, #processes');

      if (type === 'childList') {
        const nodes = [...addedNodes, ...removedNodes];

        count(nodes.some(({ nodeType }) => nodeType === Node.ELEMENT_NODE)
          ? (list ? 'rows' : 'elements') : 'figures');
        count('same', texts(addedNodes) === texts(removedNodes) ? 1 : 0);

      } else {
        count('figures');
        count('same', type === 'attributes'
          && target.getAttribute(attributeName) === oldValue ? 1 : 0);
      }
    }
  });

  observer.observe(document, { subtree: true, childList: true,
                               attributes: true, attributeOldValue: true,
                               characterData: true });

  window.update = () => new Promise((resolve) => {
    done = {};
    ended = () => requestAnimationFrame(() => later(() => resolve(done)));
    document.getElementById('retry').click();
  });
}


async function run(expression) {
  const { result, exceptionDetails } = await page.send('Runtime.evaluate', {
    expression, awaitPromise: true, returnByValue: true,
  });

  assert.equal(exceptionDetails, undefined);

  return result.value;
}

async function laidOut() {
  const { metrics } = await page.send('Performance.getMetrics');

  return metrics.find(({ name }) => name === 'LayoutCount').value;
}


test('what an update does', limits, async () => {
  const done = load('/hello', 1);

  await page.send('Page.enable');
  await page.send('Performance.enable');
  await page.send('Page.addScriptToEvaluateOnNewDocument',
                  { source: `(${instruments})()` });
  await page.send('Page.navigate', { url: direct });
  await until('16 workers', 60, () =>
    run('document.querySelectorAll("#workers tbody tr").length === 16'));

  // what is there from the second answers on
  for (let i = 0; i < 10; i++) {
    await run('update()');
  }

  const cells = await run('document.querySelectorAll("td, dd").length');
  const charts = await run('document.querySelectorAll("#charts canvas").length');

  let figures = 0;

  for (let i = 0; i < 20; i++) {
    const before_ = await laidOut();
    const did = await run('update()');
    const layouts = await laidOut() - before_;
    const told = JSON.stringify({ ...did, layouts, cells });

    // metrics, history and health, of the others the two or three that are due,
    // and capacity and pauses where they have something new
    assert.ok(did.requests >= 3 && did.requests <= 7, told);

    // each chart once, by a few strokes, however many points it has; the map of
    // what is recorded when that is due, by a stroke for what was used
    const map = did.canvases - charts;

    assert.ok(map === 0 || map === 1, told);
    assert.ok(did.draws <= charts * 40 + map * 12 * 95, told);

    // each figure once at most, where it says something else than before
    figures += did.figures ?? 0;
    assert.ok((did.figures ?? 0) <= 2 * cells, told);
    assert.equal(did.same ?? 0, 0, told);
    assert.equal(did.elements ?? 0, 0, told);

    // an answer is laid out once at most, and nothing in the middle of it
    assert.ok(layouts <= did.requests, told);
  }

  assert.ok(figures > 0, 'there was something new');
  await done();
});
