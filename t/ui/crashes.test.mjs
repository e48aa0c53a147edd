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


test('a worker that was killed', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, below);

  await shows('#crashes-note', /^No worker has died/);
  assert.ok(await page.locator('#crashes-panel').isHidden());

  const [{ pid }] = (await api('metrics')).workers;

  process.kill(pid, 'SIGKILL');

  await until('it is reported', 60, async () => (await api('crashes')).total);
  await shows('#crashes-note', /have died: 1, reports that are kept: 1\.$/);

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
