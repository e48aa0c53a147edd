// The page in a browser: what it does when it is paused, narrow, dark, behind a
// password; when workers are reloaded, killed, stopped.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { clean, hasten, pairsOf, press, rowOf } from './lib/page.mjs';
import { api, direct, heapTold, launch, load, locked, open, reload, sleep, start,
         stop, until, workers }
  from './lib/site.mjs';

const limits = { timeout: 280000 };

let browser;
let bytes;

before(async () => {
  await start();
  bytes = await heapTold() ? /[KM]iB$/ : /^n\/a$/;
  browser = await launch();
  await fetch(new URL('/hello', direct));
  await fetch(new URL('/fail', direct));
});

after(async () => {
  await browser?.close();
  await stop();
});


test('pause, resume, and a page that nobody sees', limits, async () => {
  const { page, context, shows, asked, settled } = await open(browser, direct, {
    init: (p) => p.addInitScript(() => {
      const { fetch } = window;

      window.asks = 0;
      window.fetch = (...args) => {
        window.asks++;
        return fetch(...args);
      };
    }),
  });

  await shows('#poll', /^updated/);
  await press(page, 'Pause');
  await shows('#pause', /^Resume$/);
  await settled();

  let count = asked.length;

  await sleep(2500);
  assert.equal(asked.length, count, 'no request while paused');

  await press(page, 'Resume');
  await until('requests again', 60, () => asked.length > count);

  // how often it asks before it does anything else
  const hide = (hidden) => page.evaluate(async (value) => {
    const before_ = window.asks;

    Object.defineProperty(document, 'hidden',
                          { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
    await new Promise((resolve) => { setTimeout(resolve); });

    return window.asks - before_;
  }, hidden);

  await hide(true);
  await settled();
  count = asked.length;
  await sleep(2500);
  assert.equal(asked.length, count, 'no request while hidden');

  assert.ok(await hide(false) > 0, 'it asks at once');
  await until('requests again', 60, () => asked.length > count);

  // the gap is filled from the history
  assert.match(asked.slice(count).find((url) => url.includes('history')),
               /count=60&since=/);
  await context.close();
});


test('one worker alone', limits, async () => {
  const { page, context, shows, asked, complaints } =
    await open(browser, direct);

  const [pid] = await workers();

  await rowOf(page, 'workers', String(pid)).getByRole('button').click();
  await shows('#scope', new RegExp(`Only worker ${pid}`));
  assert.match(page.url(), new RegExp(`\\?worker=${pid}$`));
  await until('its answers alone', 60, async () =>
    await page.locator('#workers tbody tr').count() === 1);

  const since = asked.findIndex((url) => url.includes('worker='));

  assert.ok(asked.slice(since).filter((url) => url.includes('/api/'))
    .every((url) => url.includes(`worker=${pid}`)));

  // the address is enough to come back
  await page.reload();
  await shows('#scope', new RegExp(`Only worker ${pid}`));
  await press(page, 'Show all');
  await until('all workers', 60, async () =>
    await page.locator('#workers tbody tr').count() === 2);
  assert.equal(new URL(page.url()).search, '');
  assert.deepEqual(complaints, []);
  await context.close();
});


test('no finding of axe, in light and dark, wide and narrow', limits,
     async () => {
  for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
    const done = load('/work');
    const { page, context, shows } = await open(browser, direct, {
      colorScheme, viewport: { width, height: 800 }, init: hasten,
    });

    await shows('#locations', /work/);
    await press(page, 'Measure CPU');
    await shows('.tabs', /CPU profile/);
    await press(page, 'List connections');
    await done();
    await clean(page);

    // nothing makes the page itself wider than the screen
    assert.ok(await page.evaluate(() =>
      document.documentElement.scrollWidth <= innerWidth));

    await press(page, /^Colours/);
    await press(page, /^Colours/);

    const scheme = await page.evaluate(() =>
      getComputedStyle(document.documentElement).colorScheme);

    assert.equal(scheme, 'dark');
    await page.reload();
    await shows('#theme', /^Colours: dark$/);
    await context.close();
  }
});


test('the buttons of the header stay on its line', limits, async () => {
  for (const width of [1360, 1600]) {
    const { page, context, shows } = await open(browser, direct, {
      viewport: { width, height: 800 },
    });

    // with all that can stand there
    await shows('#poll', /^updated/);
    await rowOf(page, 'workers', '').getByRole('button').click();
    await shows('#scope', /Only worker/);
    await press(page, 'Pause');
    await shows('#poll', /^paused/);

    const middles = await page.evaluate(() => {
      document.getElementById('health').textContent = '■ unhealthy';
      document.getElementById('poll').textContent = 'updated 12:58:58 PM';
      document.getElementById('theme').textContent = 'Colours: light';

      return ['#pause', '#theme', '#poll', 'h1', '#health'].map((selector) => {
        const { top, bottom } =
          document.querySelector(selector).getBoundingClientRect();

        return Math.round((top + bottom) / 2);
      });
    });

    assert.ok(Math.max(...middles) - Math.min(...middles) < 4, `${middles}`);
    await context.close();
  }
});


test('behind a password', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, locked, {
    httpCredentials: { username: 'me', password: 'secret' },
  });

  await shows('#health', /^[●▲■] /);
  assert.match((await pairsOf(page, 'stats')).Memory, bytes);
  assert.deepEqual(complaints, []);
  await context.close();
});


test('a reload and a killed worker, while it is open', limits, async () => {
  // a worker that is killed may have had a request in its hands, which is then
  // asked for again; the one that was looked at alone is not found
  const { page, context, shows, complaints } = await open(browser, direct, {
    expected: /404|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/,
  });
  const old = await workers();

  await shows('#workers', new RegExp(old[0]));

  const uptime = (await api('metrics')).uptime;

  reload();

  const now = await until('new workers', 60, async () => {
    const pids = await workers();

    return pids.length === 2 && !pids.some((pid) => old.includes(pid)) && pids;
  });

  await shows('#workers', new RegExp(now[0]));

  // the old ones have ended as they should
  await shows('#workers', new RegExp(`${old[0]}[^✕]*(ended|draining)`));
  assert.ok((await api('metrics')).uptime > uptime);

  process.kill(now[0], 'SIGKILL');
  await shows('#workers', new RegExp(`${now[0]}✕ died`));

  const [fresh] = await until('another worker', 60, async () =>
    (await workers()).filter((pid) => !now.includes(pid)));

  await until('it is told', 60, async () =>
    /restarted/.test(await rowOf(page, 'workers', String(fresh))
      .textContent()));

  // the one that is looked at alone
  await rowOf(page, 'workers', String(fresh)).getByRole('button').click();
  await shows('#scope', new RegExp(`Only worker ${fresh}`));
  process.kill(fresh, 'SIGKILL');
  await shows('#message', new RegExp(`Worker ${fresh} is gone`));
  await until('all workers', 60, () => page.isHidden('#scope'));

  assert.equal(await page.isHidden('#banner'), true);
  assert.deepEqual(complaints, []);
  await context.close();
});


test('a worker that is stuck is named', limits, async () => {
  const { page, context, shows } = await open(browser, direct);
  const [pid] = await workers();

  // a busy machine may have held a worker up: that is told for a minute
  await shows('#health', /^(● healthy|▲ degraded)$/);
  process.kill(pid, 'SIGSTOP');

  try {
    await shows('#health', /^■ unhealthy$/);
    await shows('#issues', new RegExp(pid));
    assert.match(await page.title(), /^■ unhealthy – /);
    assert.equal(await page.locator('link[rel=icon]').getAttribute('href'),
                 'icons/unhealthy.svg');

    const row = rowOf(page, 'workers', String(pid));

    await until('the row', 60, async () =>
      /■ stuck silent for [\d.]+ m?s, figures are older/
        .test(await row.textContent()));
    await shows('#curves-note', new RegExp(`^worker ${pid} is silent`));

  } finally {
    process.kill(pid, 'SIGCONT');
  }

  await shows('#health', /^(● healthy|▲ degraded)$/);
  assert.match(await page.locator('link[rel=icon]').getAttribute('href'),
               /^icons\/(healthy|degraded)\.svg$/);
  await context.close();
});


test('a server that does not answer, and comes back', limits, async () => {
  const { page, context, shows } = await open(browser, direct);

  await shows('#poll', /^updated/);
  await stop();
  await shows('#banner-text', /No data from the server: no connection/);
  await shows('#banner-age', /^The figures below are [1-9]\d* s old\.$/);
  await shows('#health', /^\? unknown$/);
  assert.match((await pairsOf(page, 'stats')).Memory, bytes);

  await start();
  await press(page, 'Try now');
  await until('the banner goes', 60, () => page.isHidden('#banner'));
  await shows('#health', /healthy|degraded/);
  await context.close();
});
