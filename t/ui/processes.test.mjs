// Processes that serve no requests, the CPU time of each module, and the reloads by
// stage with the names that were looked up, are on the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { cells, clean, rowOf } from './lib/page.mjs';
import { api, below, launch, open, port, reload, root, start, stop, until }
  from './lib/site.mjs';

const limits = { timeout: 280000 };

let browser;

before(async () => {
  await start({ http: `proxy_cache_path ${root}/cache keys_zone=kept:1m;
    upstream named { server localhost:${port + 2}; }` });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop();
});


test('the master and the helpers', limits, async () => {
  const { page, context, shows, complaints } = await open(browser, below);

  await shows('#processes', /cache loader.*cache manager.*master/s);

  const { processes } = await api('metrics');
  const { pid } = processes.find(({ process }) => process === 'master');
  const text = await rowOf(page, 'processes', 'master').allTextContents();

  assert.match(text.join(), new RegExp(`master${pid}waits for signals`));

  const manager = await rowOf(page, 'processes', 'cache manager')
    .allTextContents();

  assert.match(manager.join(), /running/);
  assert.doesNotMatch(manager.join(), /NaN|undefined/);

  await clean(page);
  assert.deepEqual(complaints, []);
  await context.close();
});


test('CPU time by module', limits, async () => {
  await until('CPU time of a module', 240, async () => {
    await Promise.all(Array.from({ length: 50 },
                                 () => fetch(below).then((r) => r.text())));

    return (await api('modules')).modules.some(({ module }) => module);
  });

  const { page, context, shows, complaints } = await open(browser, below);
  const { modules, hertz } = await api('modules');
  const { module } = modules.find((row) => row.module);

  await shows('#modules', new RegExp(module));
  await shows('#modules-note', new RegExp(`by ${hertz} samples`));

  await clean(page);
  assert.deepEqual(complaints, []);
  await context.close();
});


test('a reload by stage', limits, async () => {
  reload();
  await until('the second generation', 60, async () => {
    const [latest] = (await api('reloads')).reloads;

    return latest.generation === 2 && latest.stages.fork;
  });

  const { page, context, shows, complaints } = await open(browser, below);

  await shows('#reloads tbody tr >> nth=0', /^2.*localhost \d/s);

  const [latest, first] = await cells(page, 'reloads');

  assert.equal(latest[0], '2');
  assert.equal(first[0], '1');

  // calls of the master are watched from the first reload on
  assert.match(latest[4], /\d (s|ms|µs)$/);
  assert.equal(first[4], 'n/a');
  assert.match(latest[10], /[KM]iB$/);

  assert.match(await page.locator('#reloads tbody tr >> nth=1').locator('td')
    .nth(3).getAttribute('title'), /watched from the first reload on/);

  await clean(page);
  assert.deepEqual(complaints, []);
  await context.close();
});
