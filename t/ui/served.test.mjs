// What nginx serves at /performance: that all of it comes in a way that a
// browser accepts, at any path and behind a password, within its budget; and
// that what the page reads is in the API.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { api, below, direct, hostile, locked, pages, start, stop, until }
  from './lib/site.mjs';

before(() => start());
after(stop);

const types = {
  '.html': /^text\/html/,
  '.js': /^text\/javascript/,
  '.css': /^text\/css/,
  '.svg': /^image\/svg\+xml/,
  '.woff2': /^font\/woff2/,
  '.txt': /^text\/plain/,
};

const files = () => fs.readdirSync(pages, { recursive: true })
  .filter((name) => fs.statSync(path.join(pages, name)).isFile());

// the bytes that go over the wire
const transferred = (url) => new Promise((resolve, reject) => {
  http.get(url, { headers: { 'Accept-Encoding': 'gzip' } }, (response) => {
    let bytes = 0;

    response.on('data', (chunk) => {
      bytes += chunk.length;
    });
    response.on('end', () => resolve({ bytes, headers: response.headers }));
  }).on('error', reject);
});


test('every file has its type, and a policy that allows own ones', async () => {
  assert.ok(files().length > 10);

  for (const name of files()) {
    const response = await fetch(new URL(name, direct));
    const policy = response.headers.get('Content-Security-Policy');

    assert.equal(response.status, 200, name);
    assert.match(response.headers.get('Content-Type'),
                 types[path.extname(name)], name);
    assert.match(policy, /default-src 'self'/, name);
    assert.doesNotMatch(policy, /unsafe|data:|blob:|https?:|\*/, name);
    assert.equal(response.headers.get('X-Content-Type-Options'), 'nosniff');
    await response.arrayBuffer();
  }
});

test('no script or style stands in a page', () => {
  for (const name of files().filter((n) => n.endsWith('.html'))) {
    const html = fs.readFileSync(path.join(pages, name), 'utf8');

    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/, name);
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/, name);
    assert.doesNotMatch(html, /(src|href)="(https?:|\/)/, name);
  }
});

test('the first load takes at most 60 KB and 4 files', async () => {
  const html = await (await fetch(direct)).text();
  const names = ['', ...[...html.matchAll(/<(?:link|script)[^>]*(?:src|href)="([^"]+)"/g)]
    .map(([, name]) => name)];

  assert.equal(names.length, 4, names.join());

  let sum = 0;

  for (const name of names) {
    const { bytes, headers } = await transferred(new URL(name, direct));

    sum += bytes;

    if (bytes > 1000) {
      assert.equal(headers['content-encoding'], 'gzip', name);
    }
  }

  assert.ok(sum > 20000 && sum < 60 * 1024, `${sum} bytes`);
});

test('what others have written is served with their notices', async () => {
  const html = await (await fetch(direct)).text();
  const [, link] = /<a href="([^"]+)">Licences/.exec(html);
  const text = await (await fetch(new URL(link, direct))).text();

  assert.match(text, /^uPlot.*\n=+\n\n.*MIT.*\n\nCopyright.*Leon Sorokin\n/m);
  assert.match(text, /^speedscope.*\n=+\n\n.*MIT.*\n\nCopyright.*Jamie Wong\n/m);
  assert.match(text, /^Source Code Pro.*\n=+\n\nCopyright.*Adobe/m);
  assert.match(text, /SIL OPEN FONT LICENSE Version 1\.1/);

  // the files that they are in name it
  for (const name of ['page.js', 'page.css']) {
    assert.match(await (await fetch(new URL(name, direct))).text(),
                 /uPlot is in here: LICENSES\.txt/, name);
  }
});

test('all of it works below another path', async () => {
  const response = await fetch(below.slice(0, -1));

  assert.equal(response.url, below);

  const html = await response.text();
  const links = [...html.matchAll(/<a [^>]*?href="(\.\.[^"]*)"/gs)]
    .map(([, link]) => link).filter((link) => !link.includes('goroutine'));

  assert.equal(links.length, 4);

  for (const link of [...links, ...files()]) {
    assert.equal((await fetch(new URL(link, below))).status, 200, link);
  }
});

test('a password is asked for, and suffices', async () => {
  const headers = { Authorization: `Basic ${btoa('me:secret')}` };

  for (const name of ['', 'page.js', '../api/profiling/metrics']) {
    const url = new URL(name, locked);

    assert.equal((await fetch(url)).status, 401, name);
    assert.equal((await fetch(url, { headers })).status, 200, name);
  }
});

test('what the page shows is in the answers', async () => {
  await fetch(new URL('/hello', direct));
  await until('two samples', 10, async () =>
    (await api('metrics/history')).samples.length > 1);

  const has = (answer, list) => {
    for (const field of list.split(' ')) {
      const value = field.split('.').reduce((at, key) => at?.[key], answer);

      assert.notEqual(value, undefined, field);
    }
  };

  const worker = 'memory.sys goroutines gc.num_gc requests.total '
                 + 'requests.latency.p99 event_loop.utilization '
                 + 'event_loop.latency.p99 cpu.usage_percent request_rate';

  const metrics = await api('metrics');

  has(metrics, 'timestamp uptime');
  has(metrics.metrics, `${worker} memory.alloc memory.heap_inuse `
      + 'memory.heap_sys memory.usage_percent gc.pause_percent '
      + 'gc.last_pause_ns request_rate error_rate connections.active '
      + 'connections.upstream');
  assert.equal(metrics.workers.length, 2);
  metrics.workers.forEach((w) =>
    has(w, `${worker} pid state generation started worker`));

  const history = await api('metrics/history?count=60');

  has(history, 'interval_ms');
  has(history.samples[0], 'timestamp memory.alloc memory.sys goroutines '
      + 'memory.heap_sys memory.heap_inuse gc.pause_total_ns requests errors '
      + 'cpu.seconds');

  const since = history.samples.at(-2).timestamp;
  const newer = await api('metrics/history?count=60&since='
                          + encodeURIComponent(since));

  assert.equal(newer.samples[0].timestamp, history.samples.at(-1).timestamp);

  const health = await api('health');

  has(health, 'status issues.length');
  has(health.workers[0], 'pid silent_seconds');
  has(await api('gc'), 'num_gc pause_total threshold_ms gc_cpu_fraction '
      + 'recent.length');
  has(await api('capacity'), 'full.length workers.length listeners.length '
      + 'zones.length module.slots.used');
  has((await api('upstreams')).peers[0], 'upstream peer tries results reused '
      + 'in_flight first_byte.p99 last_byte.sum');
  has(await api('tls'), 'handshakes.length client_handshakes failed');
  has(await api('caches'), 'zones.length locations.length');
  has(await api('modules'), 'hertz cpu_seconds modules.length');
  has(metrics.processes[0], 'process pid user_seconds system_seconds anonymous');
  has((await api('reloads')).reloads[0], 'generation begun seconds names.length '
      + 'stages.configuration stages.zones unavailable');
  has(await api('crashes'), 'total by_reason.crash unseen reports.length');
  has(await api('runtime'), 'nginx_version module_version pcre_version '
      + 'openssl_version zlib_version allocator num_cpu num_cgo_call '
      + 'generation start_time reload_time uptime_seconds request_count '
      + 'error_count settings.profiling_interval_ms');

  const { locations, lost } = await api('locations');
  const hello = locations.find((l) => l.location === '= /hello');

  assert.equal(typeof lost, 'number');
  assert.equal(hello.server, hostile);
  has(hello, 'requests errors seconds bytes_out by_status.4xx latency.p50 '
      + 'latency.p99 upstream.latency.p99');

  has(await api('force-gc', { method: 'POST' }),
      'success gc_duration_ms heap_freed_mb heap_alloc_mb');
});
