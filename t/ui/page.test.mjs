// The page in a browser, under nginx's real policy: its figures, its buttons.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';

import * as format from '../../html/js/base/format.mjs';
import { recorded } from '../../html/js/store/past.mjs';
import { keyOf } from '../../html/js/store/store.mjs';
import { cells, hasten, pairsOf, press } from './lib/page.mjs';
import { api, below, direct, heapTold, hostile, launch, load, open, port, start,
         stop, until }
  from './lib/site.mjs';

const limits = { timeout: 280000 };

let browser;
let heap;

before(async () => {
  await start();
  heap = await heapTold();
  browser = await launch();
  await fetch(new URL('/hello', direct));
  await fetch(new URL('/fail', direct));
});

after(async () => {
  await browser?.close();
  await stop();
});


// of the CPU time that is recorded

function shareOf(timeline, location) {
  const cpu = recorded(timeline, format.fraction);

  return cpu
    ? format.fraction((cpu.values.get(keyOf(location)) ?? 0) / cpu.total)
    : 'n/a';
}


test('the first figures and curves need six requests', limits, async () => {
  let before_ = null;

  const { page, asked, context, complaints } = await open(browser, below, {
    init: (p) => p.route(/health|locations|api\/profiling\/gc/, () => {
      before_ ??= asked_().length;
    }),
  });

  function asked_() {
    return asked.filter((url) => !/health|locations|profiling\/gc/.test(url));
  }

  await until('the second wave', 60, () => before_);
  assert.ok(before_ <= 6, asked.join('\n'));
  assert.match((await pairsOf(page, 'stats')).Memory,
               heap ? /[KM]iB$/ : /^n\/a$/);
  assert.equal(await page.locator('#charts canvas').count(), 6);
  assert.match(await page.locator('.plot').first().getAttribute('aria-label'),
               heap ? /allocated: now [\d.,]+ [KM]iB, lowest/
                    : /allocated: no values yet/);
  assert.deepEqual(complaints, []);
  await context.close();
});


test('figures on the screen are those of the API', limits, async () => {
  const answers = {};
  const { page, context, shows, complaints, asked, settled } =
    await open(browser, below, {
      init: (p) => p.on('response', async (response) => {
        const name = /api\/profiling\/(\w+)(?:\?from.*)?$/
          .exec(response.url())?.[1];

        if (name) {
          answers[name] = await response.json();
        }
      }),
    });

  await shows('#health', /^● healthy$/);
  await shows('#locations', /fail/);
  await press(page, 'Pause');
  await shows('#poll', /^paused/);
  await settled();

  const { metrics: { metrics, workers: list, uptime }, runtime, gc,
          locations: { locations } } = answers;

  const stats = await pairsOf(page, 'stats');

  assert.deepEqual(stats, {
    Memory: format.bytes(metrics.memory.alloc) ?? 'n/a',
    Connections: format.count(metrics.goroutines),
    Pauses: format.count(metrics.gc.num_gc),
    'Heap usage': heap ? format.percent(metrics.memory.heap_inuse
                                        / metrics.memory.heap_sys * 100)
                       : 'n/a',
    Uptime: format.uptime(uptime),
    'Request rate': format.perSecond(metrics.request_rate) ?? 'not known yet',
  });

  const rows = await cells(page, 'workers');

  assert.deepEqual(rows, list.sort((a, b) => a.worker - b.worker).map((w) => [
    String(w.pid), '● running', '1', format.percent(w.cpu.usage_percent)
      ?? 'not known yet', format.bytes(w.memory.sys), format.count(w.goroutines),
    format.count(w.requests.total),
    format.perSecond(w.request_rate) ?? 'not known yet',
    format.seconds(w.requests.latency.p99) ?? 'n/a',
    format.fraction(w.event_loop.utilization) ?? 'not known yet',
    format.seconds(w.event_loop.latency.p99), format.count(w.gc.num_gc),
  ]));

  const fail = locations.find((l) => l.location === '= /fail');
  const shown = (await cells(page, 'locations')).find(([name]) =>
    name === '= /fail');

  assert.deepEqual([shown[1], shown[4], ...shown.slice(6, 11)], [
    hostile, format.count(fail.requests), '1', '0',
    format.bytes(fail.bytes_out), format.seconds(fail.latency.p50),
    format.seconds(fail.latency.p99),
  ]);
  assert.equal(shown[2], shareOf(answers.timeline, fail));

  const facts = await pairsOf(page, 'runtime');

  assert.equal(facts.nginx, runtime.nginx_version);

  // there is one uptime: two would be of two answers, and differ
  assert.equal((await page.textContent('main')).match(/uptime/gi).length, 1);
  assert.equal(facts.generation, '1');
  assert.equal(facts.reloaded, 'never');
  assert.equal((await pairsOf(page, 'settings')).interval, '200 ms');
  assert.match(await page.textContent('#pauses-note'),
               new RegExp(`^${format.count(gc.num_gc)} passes`));

  // a name is a text
  assert.equal(await page.locator('main img').count(), 0);

  assert.ok(asked.every((url) => url.startsWith(`http://127.0.0.1:${port + 1}`
                                                + '/some/where/')));
  assert.deepEqual(complaints, []);
  await context.close();
});


test('the actions: force GC, dumps, a CPU profile', limits, async () => {
  const done = load('/work');
  const { page, context, shows, complaints } = await open(browser, below, {
    init: hasten,
    // what a build without heap profiles answers
    expected: /404 \(Not Found\)/,
  });

  await press(page, 'Force GC');
  await shows('#message',
              heap ? /^Force GC: done in .*B freed, .*B in use$/
                   : /^Force GC: not done by all workers in .*s, .* n\/a in use$/);

  const dump = await fetch(new URL('../api/profiling/heap-dump', direct));

  if (dump.ok) {
    const [download] = await Promise.all([page.waitForEvent('download'),
                                          press(page, 'Heap dump')]);

    assert.match(download.suggestedFilename(), /^heap-\d+\.prof$/);
    await shows('#message', /^Heap dump: saved as heap-\d+\.prof$/);

  } else {
    await press(page, 'Heap dump');
    await shows('#message', /^Heap dump failed: not in this build/);
  }

  const [download] = await Promise.all([
    page.waitForEvent('download', { timeout: 20000 }),
    press(page, 'CPU profile, 30 s'),
  ]);

  assert.match(download.suggestedFilename(), /^cpu-\d+\.prof$/);
  await shows('#message', /^CPU profile, 30 s: saved as cpu-\d+\.prof$/);
  await shows('.tabs', /CPU profile, 30 s/);

  assert.deepEqual(complaints, []);
  await context.close();
  await done();
});


test('a capture can be cancelled, and there is one at a time', limits,
     async () => {
  const { page, context, shows, complaints } = await open(browser, direct);

  await press(page, 'CPU profile, 30 s');
  await shows('#capture-text', /^CPU profile, 30 s: 2\d s left$/);
  await until('progress', 60, async () =>
    await page.locator('#progress').evaluate((p) => p.value) > 0.5);

  await page.locator('#take').click({ force: true });
  await shows('#message', /^Another capture is running/);

  await press(page, 'Cancel');
  await shows('#message', /^CPU profile, 30 s: cancelled$/);
  assert.equal(await page.isHidden('#capture'), true);

  // the server has ended it too: the wait for it would be half a minute
  await page.selectOption('#over', 'custom');
  await page.fill('#seconds', '1');
  await press(page, 'Take profile');
  await shows('.tabs', /CPU profile, 1 s/);

  assert.deepEqual(complaints, []);
  await context.close();
});


// The graph by label, the frames that all stacks share as one, and unfolded

async function byLabel(page, panel) {
  const detail = panel.locator('.detail');

  await panel.getByLabel('Group by').selectOption('server,location');

  // the graph is drawn anew, which begins at its root
  await until('the location in the graph', 60, async () => {
    await panel.locator('canvas').focus();

    for (const key of ['Home', 'ArrowDown', 'ArrowDown']) {
      await page.keyboard.press(key);
    }

    return /^location: = \/work · [\d.]+ m?s \(\d/.test(
      await detail.textContent());
  });

  const fold = panel.getByLabel('Fold frames');

  assert.equal(await fold.isChecked(), true);
  await page.keyboard.press('ArrowDown');
  assert.match(await detail.textContent(),
               /^(\S+) … .+ \(\d+ frames\) · .*all stacks share \1, /);

  await fold.uncheck();
  await panel.locator('canvas').focus();

  for (const key of ['Home', 'ArrowDown', 'ArrowDown', 'ArrowDown']) {
    await page.keyboard.press(key);
  }

  assert.match(await detail.textContent(), /^\S+ · /);
  await fold.check();
}

// by keyboard and by pointer

async function zooms(page, panel) {
  await panel.locator('canvas').focus();

  for (const key of ['Home', 'ArrowDown', 'ArrowDown', 'Enter']) {
    await page.keyboard.press(key);
  }

  assert.equal(await page.isEnabled('text=Reset zoom'), true);
  await page.keyboard.press('Escape');
  assert.equal(await page.isEnabled('text=Reset zoom'), false);
  await panel.locator('canvas').click({ position: { x: 40, y: 28 } });
  assert.equal(await page.isEnabled('text=Reset zoom'), true);
  await press(page, 'Reset zoom');
  await panel.locator('tbody button').first().click();
  assert.equal(await page.isEnabled('text=Reset zoom'), true);
}

async function narrowed(page, panel, got) {
  const only = panel.getByLabel('Only');
  const label = { key: 'state', value: got.samples[0].labels.get('state') };

  await only.selectOption(JSON.stringify(label));
  assert.equal(/cpu ([\d.]+ m?s) /.exec(await page.textContent('.summary'))[1],
               format.nanoseconds(got.samples.reduce((sum, s) => sum
                 + (s.labels.get('state') === label.value && s.values[1]), 0)));
  await only.selectOption('');
}

// the very bytes

async function saved(page, bytes) {
  const [download] = await Promise.all([page.waitForEvent('download'),
                                        press(page, 'Download')]);
  const chunks = [];

  for await (const chunk of await download.createReadStream()) {
    chunks.push(chunk);
  }

  assert.ok(Buffer.concat(chunks).equals(bytes));
}

async function inSpeedscope(page, context) {
  const [other] = await Promise.all([context.waitForEvent('page'),
                                     press(page, 'Open in speedscope')]);
  const said = [];

  other.on('console', (message) => {
    if (message.type() === 'error') {
      said.push(message.text());
    }
  });
  other.on('pageerror', (error) => said.push(error.message));
  await until('the profile in speedscope', 60, async () =>
    /Left Heavy/.test(await other.textContent('body')));
  assert.deepEqual(said, []);
  await other.close();
}

test('profiles: what burns CPU is found', limits, async () => {
  const done = load('/work', 3);
  const { page, context, shows, complaints } = await open(browser, below, {
    init: hasten, acceptDownloads: true,
  });

  let bytes;

  page.on('response', async (response) => {
    if (response.url().includes('debug/pprof/profile')) {
      bytes = await response.body();
    }
  });

  const panel = page.locator('#profiles');

  await shows('#locations', /work/);
  await press(page, 'Measure CPU');
  await shows('.tabs', /CPU profile, 5 s/);

  // the table is sorted by what was asked for
  const [first] = await cells(page, 'locations');

  assert.equal(first[0], '= /work');
  assert.ok(parseFloat(first[2]) > 50, first[2]);

  // one more, to compare with
  await page.selectOption('#over', '5');
  await press(page, 'Take profile');
  await until('two captures', 60, async () =>
    await page.locator('.tab').count() === 2);

  const total = /cpu ([\d.]+ m?s) /.exec(await page.textContent('.summary'))[1];
  const { decode } = await import('../../html/js/profiles/proto.mjs');
  const got = await decode(bytes);

  assert.equal(total, format.nanoseconds(got.samples.reduce((sum, s) =>
    sum + s.values[1], 0)));

  // the table, its order, and the search
  const table = panel.locator('table').first();
  const rows = await table.locator('tbody tr').allTextContents();

  assert.ok(rows.length > 3);
  await panel.getByLabel('Search functions').fill('deflate');
  assert.match(await panel.locator('[role=status]').textContent(),
               /^(100|[5-9]\d\.\d)% in functions that match$/);
  assert.ok((await table.locator('tbody tr').allTextContents())
    .every((row) => /deflate/.test(row)));
  await panel.getByLabel('Search functions').fill('');

  await byLabel(page, panel);
  await zooms(page, panel);
  await narrowed(page, panel, got);
  // compared
  await panel.getByLabel('Compare with').selectOption({ index: 1 });
  assert.match(await page.textContent('.summary'),
               /cpu .*s\/s · before .*s\/s, [+−].*s\/s/);
  assert.match(await page.textContent('.legend'), /orange: grew/);
  assert.ok(await page.getByLabel('Functions, compared').locator('tbody tr')
    .count() > 3);
  await panel.getByLabel('Compare with').selectOption('');

  await saved(page, bytes);
  await inSpeedscope(page, context);

  // forgotten
  await page.getByRole('button', { name: /^Forget/ }).first().click();
  assert.equal(await page.locator('.tab').count(), 1);

  assert.deepEqual(complaints, []);
  await context.close();
  await done();
});


test('the other profiles, and connections', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, direct, {
    init: hasten, expected: /404 \(Not Found\)|501/,
  });

  for (const kind of ['heap', 'allocs', 'block', 'mutex', 'goroutine']) {
    const { status } = await fetch(new URL(`../debug/pprof/${kind}`, direct));

    await page.selectOption('#kind', kind);
    await press(page, 'Take profile');

    if (status === 200) {
      await shows('#message', /: done$/);
      await shows('.tab [aria-pressed=true]', new RegExp(kind.slice(0, 5),
                                                         'i'));

      // a worker at rest holds few blocks that were sampled; how many were
      // allocated by now is not known
      await shows('#profile-caution', {
        heap: /proves little\. A smaller profiling_heap_rate takes more samples\.$/,
        allocs: /^$|profiling_heap_rate/,
      }[kind] ?? /^$/);

    } else {
      await shows('#message', /profile failed: not in this build/);
    }
  }

  await press(page, 'List connections');

  const { count, goroutines } = await api('goroutines');

  assert.ok(count > 0);

  if (goroutines) {
    await shows('#connections [role=status]', /^\d+ connections at /);
    await page.locator('#connections summary').first().click();
    await until('rows', 60, () =>
      page.locator('#connections tbody tr').count());
    await page.fill('#connections-filter', 'no such thing');
    await shows('#connections [role=status]', /, 0 match/);

  } else {
    await shows('#connections [role=status]', /^\d+ connections\. /);
  }

  assert.deepEqual(complaints, []);
  await context.close();
});


test('goroutines: client, location and waiting time of each', limits,
     async () => {
  const { page, context, shows, complaints, settled } =
    await open(browser, below);

  // a request that waits for its upstream
  const answers = [];
  const upstream = http.createServer((request, response) =>
    answers.push(response));

  await new Promise((resolve) =>
    upstream.listen(port + 4, '127.0.0.1', resolve));
  upstream.unref();

  const held = fetch(new URL('/held', direct));

  await until('it waits', 60, () => answers.length);

  // tables that come later move what is below them
  await settled();
  await press(page, 'View goroutines');
  await shows('#connections [role=status]', /^\d+ connections at /);

  const open_ = page.locator('#connections details[open]').first();

  await until('a group is open, and in sight', 60, () => open_.evaluate((node) =>
    node.querySelector('tbody tr')
    && node.getBoundingClientRect().top < innerHeight));

  // what is searched for: the group of that one
  await page.fill('#connections-filter', '/held');

  const group = page.locator('#connections .group')
    .filter({ has: page.locator('summary', { hasText: '· client ·' }) }).first();

  await group.evaluate((node) => { node.open = true; });

  const table = group.locator('table');
  const heads = await table.locator('th[scope=col]').allTextContents();
  const row = await table.locator('tbody tr').first().evaluate((tr) =>
    [...tr.cells].map((cell) => cell.textContent));
  const of = (name) => row[heads.indexOf(name)];

  assert.equal(of('Client'), '127.0.0.1');
  assert.equal(of('Location'), '= /held');
  assert.match(of('Waiting'), /^[\d.]+ (s|ms|µs)$/);

  // Go's own form is one click away
  const [text] = await Promise.all([context.waitForEvent('page'),
                                    page.click('text=As text')]);

  assert.match(text.url(), /where\/debug\/pprof\/goroutine\?debug=2$/);
  await text.close();
  await context.close();
  assert.deepEqual(complaints, []);

  answers.forEach((response) => response.end());
  assert.equal((await held).status, 200);
  upstream.close();
});


test('the cursor of one chart is in all, by pointer and by keyboard', limits,
     async () => {
  const { page, context, shows } = await open(browser, direct);

  await shows('#poll', /^updated/);
  await press(page, 'Pause');

  const times = () => page.locator('figcaption time').allTextContents();

  await page.locator('.plot').first().focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');

  const [first, ...others] = await times();

  assert.match(first, /\d:\d\d:\d\d/);
  assert.ok(others.length === 5 && others.every((time) => time === first));

  await page.keyboard.press('Escape');
  assert.equal((await times()).join(''), '');

  await page.locator('.plot .u-over').nth(3).hover();
  await until('the time', 60, async () =>
    (await times()).every((time) => /\d:\d\d:\d\d/.test(time)));
  await context.close();
});


test('tables are sorted and filtered', limits, async () => {
  const { page, context, shows } = await open(browser, direct);

  await shows('#locations', /fail/);

  const table = page.locator('#locations');
  const header = table.getByRole('button', { name: 'Location' });

  await header.click();

  const names = (await cells(page, 'locations')).map(([name]) => name);

  assert.deepEqual(names, [...names].sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true })));
  assert.equal(await table.locator('th').first().getAttribute('aria-sort'),
               'ascending');

  await page.getByLabel('Filter locations').fill('FAIL');
  assert.deepEqual((await cells(page, 'locations')).map(([name]) => name),
                   ['= /fail']);
  await context.close();
});
