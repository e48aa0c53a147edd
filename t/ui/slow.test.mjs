// Slow requests are on the page: what each waited for, part by part, those that
// in progress; and what requests cost, by location.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { axe, below, direct, launch, open, port, start, stop, until }
  from './lib/site.mjs';

const limits = { timeout: 280000 };

let browser;
let held;         // answers that the upstream has not given yet

const upstream = http.createServer((request, response) => held.push(response));

before(async () => {
  held = [];
  upstream.listen(port + 4, '127.0.0.1');
  // all else may be slow on a busy machine
  await start({ http: 'profiling_slow off; profiling_expensive cpu=1s;',
                held: 'profiling_slow 100ms;' });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop();
  upstream.closeAllConnections();
  upstream.close();
});

const release = () => held.splice(0).forEach((response) => response.end('x'));


test('slow requests', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, below);

  await shows('#slow-note', /^No request was slow/);

  // one that is slow already and in progress
  const answer = fetch(new URL('/held?secret=1', direct));

  await shows('#slow tbody tr.live td >> nth=0', /in progress/);
  await shows('#slow-note', /in progress: 1\.$/);

  const row = page.locator('#slow tbody tr').first();
  const texts = () => row.locator('th, td').allTextContents();

  assert.match((await texts())[2], /= \/held$/);
  assert.equal((await texts())[3], 'GET /held');
  assert.match((await texts())[5], /upstream \d/);

  await row.locator('summary').click();
  await shows('#slow .box', /waited for an upstream, .*all not yet/);
  assert.ok(await row.locator('.trace').isHidden());

  // then it has ended
  release();
  await (await answer).text();

  await shows('#slow-note', /started: 1, beyond the rate: 0, in progress: 0\.$/);
  await until('it is not in progress', 60, async () =>
    await page.locator('#slow tbody tr').count() === 1
    && !await page.locator('#slow tr.live').count());

  await row.locator('summary').click();
  await shows('#slow .box', /waited for an upstream, .*: 200, connected/);
  await shows('#slow .box', /header complete .* after it began, .*last byte sent/);

  // the bar is as wide as the parts
  const widths = await row.locator('.parts.whole i').evaluateAll((list) =>
    list.map((i) => parseFloat(i.style.width)));

  assert.ok(Math.abs(widths.reduce((a, b) => a + b, 0) - 100) < 1, widths.join());

  const trace = await (await fetch(new URL(
    await row.locator('.trace').getAttribute('href'), page.url()))).json();

  assert.equal(trace.traceEvents[0].args.uri, '/held');

  // narrowed, and sorted by the server
  await page.fill('#slow-filter', 'no such thing');
  await until('no rows', 60, async () =>
    await page.locator('#slow tbody tr').count() === 0);
  await page.fill('#slow-filter', '/held');
  await until('the row', 60, async () =>
    await page.locator('#slow tbody tr').count() === 1);

  const sorted = page.waitForRequest(/slow\?limit=100&sort=cpu/);

  await page.locator('#slow .sort', { hasText: 'CPU' }).click();
  await sorted;

  await page.evaluate(axe);

  const { violations } = await page.evaluate(() =>
    window.axe.run('#slow-part'));

  assert.deepEqual(violations.map(({ id }) => id), []);
  assert.deepEqual(complaints, []);
  await context.close();
});


test('what requests cost, and where their time goes', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, direct);

  await fetch(new URL('/work', direct), { headers: { 'Accept-Encoding': 'gzip' } })
    .then((response) => response.arrayBuffer());

  for (const title of ['Share of CPU', 'Loop', 'Memory', 'CPU of 1,000']) {
    await page.locator('#locations .sort', { hasText: title }).click();
  }

  const row = page.locator('#locations tbody tr', { hasText: '= /work' });

  await until('it has its cost', 60, async () => {
    const texts = await row.locator('td').allTextContents();

    return texts.slice(-3).every((text) => /^[\d.]+ (s|ms|µs|KiB|MiB)$/.test(text))
           && /^[\d.]+%$/.test(texts[1]);
  });

  await page.selectOption('#kind', 'latency');
  await page.locator('#take').click();
  await shows('#message', /Latency profile: done$/);
  await shows('.tab [aria-pressed=true]', /Latency profile/);

  assert.deepEqual(complaints, []);
  await context.close();
});
