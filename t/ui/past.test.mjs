// What is over, on the page: the map of CPU time by location, a range that is
// chosen on it or dragged over on a curve, as long before it, and incidents.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { heat, recorded, runs } from '../../html/js/store/past.mjs';
import { cells, press } from './lib/page.mjs';
import { api, below, launch, load, open, start, stop, until }
  from './lib/site.mjs';

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


// A worker that is killed breaks off what it answers; a machine with too much to
// do has workers that are late, which health answers with a 503.

const own = (complaints) =>
  complaints.filter((text) => !/status of 50[23]/.test(text));


const timeline = {
  from: '2026-02-10T10:00:00Z', step_seconds: 10, steps: 4, series: [
    { server: 'a', location: '/', state: 'phase',
      cpu_seconds: [null, 1, 0, 2] },
    { server: 'a', location: '/', state: 'write',
      cpu_seconds: [null, 0.5, 0, 0] },
    { server: 'b', location: '/', state: 'phase',
      cpu_seconds: [null, 0, 0, 1] },
    { server: null, location: null, state: 'idle',
      cpu_seconds: [null, 0.25, 0.25, 0] },
  ],
};

test('rows of locations, gaps, and what finds no room', () => {
  const { rows, total, gone, from, peak } = heat(timeline, 2);

  assert.deepEqual(rows.map(({ name, values }) => [name, values]), [
    ['a /', [null, 1.5, 0, 2]],
    ['2 others', [null, 0.25, 0.25, 1]],
  ]);
  assert.deepEqual(total, [null, 1.75, 0.25, 3]);
  assert.deepEqual(gone, [true, false, false, false]);
  assert.deepEqual(runs(gone), [[0, 1]]);
  assert.deepEqual(runs([false, true, true, false, true]), [[1, 3], [4, 5]]);
  assert.equal(from, Date.parse('2026-02-10T10:00:00Z') / 1000);
  assert.equal(peak, 2);
});

test('shares of CPU time from what is recorded', () => {
  const cpu = recorded(timeline, (f) => `${f * 100}%`);

  assert.equal(cpu.total, 5e9);
  assert.deepEqual([...cpu.values.values()], [3.5e9, 1e9]);
  assert.equal(cpu.outside, '10%');
  assert.equal(recorded({ ...timeline, series: [] }), null);
  assert.equal(recorded(undefined), null);
});


test('a range of the past', limits, async () => {
  const done = load('/work', 3);
  const { page, context, shows, complaints } = await open(browser, below);

  await until('CPU time is recorded', 60, async () => {
    const { series } = await api('timeline?from=-1m');
    const used = series.filter(({ location }) => location === '= /work')
      .flatMap(({ cpu_seconds: values }) => values)
      .reduce((sum, v) => sum + (v ?? 0), 0);

    return used > 0.5;
  });

  // what is dragged over stays where it is
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await shows('#heat-note', /of CPU time\. Drag over a part/);

  // the share of CPU is there, and nobody has measured it
  await until('the share of CPU is there', 60, async () => {
    const work = (await cells(page, 'locations')).find(([name]) =>
      name === '= /work');

    return work && parseFloat(work[2]) > 0;
  });

  // by keyboard: the last column and the ones before it
  const map = page.locator('#heat-map');

  await map.focus();
  await page.keyboard.press('ArrowLeft');

  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Shift+ArrowLeft');
  }

  await page.keyboard.press('Enter');
  await shows('.tabs', /CPU, \d\d:\d\d:\d\d to \d\d:\d\d:\d\d/);
  await shows('.summary', /taken over/);
  await shows('#profiles', /ngx_/);

  // as long before, by one click
  await press(page, 'Compare with before');
  await until('three captures', 60, async () =>
    await page.locator('.tab').count() === 3);
  await shows('.summary', /before/);

  // a time that is entered
  await page.getByLabel('min ago').fill('0.5');
  await page.locator('#pick').click();
  await until('four captures', 60, async () =>
    await page.locator('.tab').count() === 4);

  // a part of a curve that is dragged over; the page may go to the profile just
  // then, and take the curve away from below the mouse
  const curve = page.locator('.u-over').first();

  const frames = () => page.evaluate(() => new Promise((shown) =>
    requestAnimationFrame(() => requestAnimationFrame(shown))));

  await until('five captures', 60, async () => {
    await curve.scrollIntoViewIfNeeded();

    const box = await curve.boundingBox();

    await page.mouse.move(box.x + box.width * 0.8, box.y + 20);
    await page.mouse.down();

    for (const part of [0.83, 0.86, 0.9]) {
      await page.mouse.move(box.x + box.width * part, box.y + 20);
      await frames();
    }

    await page.mouse.up();

    return until('one more', 5, async () =>
      await page.locator('.tab').count() >= 5).catch(() => false);
  });

  await done();
  await context.close();
  assert.deepEqual(own(complaints), []);
});


test('an incident opens what was kept', limits, async () => {

  // an answer of the worker that is killed may be on its way
  const { page, context, shows, complaints } = await open(browser, below, {
    expected: /ERR_(EMPTY_RESPONSE|CONNECTION_\w+)/,
  });

  const [{ pid }] = (await api('metrics')).workers;

  process.kill(pid, 'SIGKILL');

  await shows('#incidents', new RegExp(`worker ${pid} died of signal 9`));
  await page.locator('#incidents tr', { hasText: `worker ${pid} died` })
    .locator('button').click();
  await shows('.tabs', /CPU, incident \d/);

  await context.close();
  assert.deepEqual(own(complaints), []);
});
