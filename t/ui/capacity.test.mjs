// What is nearly full has a gauge on the page; when all is well there is none.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { below, launch, open, port, start, stop } from './lib/site.mjs';

const limits = { timeout: 280000 };

let browser;

before(async () => {
  await start({ workers: 1 });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop();
});


test('a worker that runs out of connections', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, below);

  await shows('#health', /healthy/);
  assert.ok(await page.locator('#full').isHidden());

  // of 256
  const sockets = Array.from({ length: 210 },
                             () => net.connect(port + 2, '127.0.0.1'));

  await shows('#full', /Connections.*worker \d+.*\d+ of 256.*since/s);

  const gauge = page.locator('#full .gauge');

  assert.equal(await gauge.count(), 1);
  assert.ok(Number(await gauge.locator('meter').getAttribute('value')) >= 192);
  assert.match(await gauge.getAttribute('class'), /warning|critical/);

  sockets.forEach((socket) => socket.destroy());

  await page.locator('#full').waitFor({ state: 'hidden' });

  assert.deepEqual(complaints, []);
  await context.close();
});
