// A worker that died is on the page: in the table, with its report, which a
// button copies, and in words for who does not see the curves.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { api, below, launch, open, start, stop, until } from './lib/site.mjs';

const limits = { timeout: 280000 };

let browser;

before(async () => {
  await start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop();
});


// charts with a line of a reddish colour from their top to the axis

const marked = (page) => page.evaluate(() => {
  const high = (canvas) => {
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height)
      .getContext('2d', { willReadFrequently: true });

    copy.drawImage(canvas, 0, 0);

    const { data } = copy.getImageData(0, 0, width, height);
    const red = (at) => data[at + 3] > 60 && data[at] > data[at + 1] + 40
                        && data[at] > data[at + 2] + 40;

    return Array.from({ length: width }, (_, x) =>
      Array.from({ length: height }, (_, y) => red(4 * (y * width + x)))
        .filter(Boolean).length).some((n) => n > height / 2);
  };

  return [...document.querySelectorAll('canvas')]
    .filter(({ offsetParent, width }) => offsetParent && width)
    .filter(high).length;
});


test('a worker that was killed', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, below);

  await shows('#crashes-note', /^No worker has died/);
  assert.ok(await page.locator('#crashes-panel').isHidden());
  assert.equal(await marked(page), 0);

  const [{ pid }] = (await api('metrics')).workers;

  process.kill(pid, 'SIGKILL');

  await until('it is reported', 60, async () => (await api('crashes')).total);
  await shows('#crashes-note', /have died: 1, reports that are kept: 1\.$/);

  await until('it is marked in the charts', 60, () => marked(page));

  const row = page.locator('#crashes tr').first();
  const texts = await row.locator('th, td').allTextContents();

  assert.equal(texts[1], String(pid));
  assert.equal(texts[2], 'killed: SIGKILL');

  await row.locator('summary').click();
  await shows('#crashes pre', new RegExp(`worker process ${pid} was killed by SIGKILL`));

  // this page has no secure origin in all browsers: copied, or selected
  await row.locator('button').click();
  await shows('#message', /report (was copied|is selected)/);

  await context.close();
  assert.deepEqual(complaints, []);
});
