// The page at /performance: that a real nginx serves all of it in a way that
// a browser accepts, at any path; that what it reads is in the API; what its
// modules compute.  In a browser only where there is /usr/bin/chromium.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

const env = process.env;

if (!env.TEST_PROFILING_DIR) {
  throw new Error('run this by make test T=t/ui/page.test.mjs');
}

const root = env.TEST_NGINX_SERVROOT;
const port = Number(env.TEST_NGINX_PORT);
const pages = path.join(env.TEST_PROFILING_DIR, 'html/profiling');

const direct = `http://127.0.0.1:${port}/performance/`;
const below = `http://127.0.0.1:${port + 1}/some/where/performance/`;

const load = (name) => import(path.join(pages, 'js', name));

const format = await load('format.mjs');
const store = await load('store.mjs');
const { connect } = await load('api.mjs');

const hostile = '<img src=x onerror=document.title=1>';

// The types are those of nginx 1.22: they know no .mjs.

const conf = `
daemon off;
worker_processes 2;
pid ${root}/logs/nginx.pid;
error_log ${root}/logs/error.log;
load_module ${env.TEST_NGINX_LOAD_MODULES};

events { }

http {
    types {
        text/html html;
        text/css css;
        application/javascript js;
        image/svg+xml svg;
    }

    default_type application/octet-stream;
    access_log off;
    profiling_interval 100ms;

    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${root}/${name};`).join('\n    ')}

    server {
        listen 127.0.0.1:${port};
        server_name "${hostile}";
        include ${env.TEST_PROFILING_DIR}/conf/snippets/profiling.conf;

        location = /hello { return 200 hello; }
    }

    server {
        listen 127.0.0.1:${port + 1};
        server_name proxy;

        location /some/where/ {
            proxy_set_header Host $http_host;
            proxy_pass http://127.0.0.1:${port}/;
        }
    }
}
`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, seconds, f) {
  const end = Date.now() + seconds * 1000;

  for (;;) {
    const value = await f().catch(() => null);

    if (value) {
      return value;
    }

    assert.ok(Date.now() < end, `not within ${seconds} s: ${what}`);
    await sleep(100);
  }
}

let nginx;

async function start() {
  nginx = spawn(env.TEST_NGINX_BINARY,
                ['-p', env.TEST_PROFILING_DIR, '-e', `${root}/logs/error.log`,
                 '-c', `${root}/nginx.conf`],
                { stdio: ['ignore', 'inherit', 'inherit'] });

  await until('nginx answers', 10, () => fetch(direct));
}

async function stop() {
  if (nginx.exitCode === null) {
    const ended = new Promise((resolve) => nginx.once('exit', resolve));

    nginx.kill('SIGTERM');
    await ended;
  }
}

before(async () => {
  fs.mkdirSync(`${root}/logs`, { recursive: true });
  fs.writeFileSync(`${root}/nginx.conf`, conf);
  await start();
});

after(stop);


test('the page comes with a policy that allows its own files only', async () => {
  const response = await fetch(direct);
  const html = await response.text();
  const policy = response.headers.get('Content-Security-Policy');

  assert.equal(response.status, 200);
  assert.match(response.headers.get('Content-Type'), /^text\/html/);
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|data:|blob:|https?:|\*/);
  assert.equal(response.headers.get('X-Content-Type-Options'), 'nosniff');

  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/);
});


// every file that the page names, and the ones that these name

async function assets(page) {
  const types = {
    '.mjs': /^(text|application)\/javascript/,
    '.css': /^text\/css/,
    '.svg': /^image\/svg\+xml/,
  };

  const found = [];
  const queue = [[page, /(?:src|href)="((?:css|js)\/[^"]+)"/g]];

  while (queue.length) {
    const [url, pattern] = queue.shift();
    const text = await (await fetch(url)).text();

    for (const [, name] of text.matchAll(pattern)) {
      const to = new URL(name, url);

      assert.ok(to.href.startsWith(page), `${name} stays below the page`);

      if (found.includes(to.href)) {
        continue;
      }

      found.push(to.href);

      const response = await fetch(to);
      const type = response.headers.get('Content-Type');

      assert.equal(response.status, 200, to.href);
      assert.match(type, types[path.extname(to.pathname)], to.href);
      queue.push([to.href, /(?:from|url\()\s*['"]?(\.[^'")]+)/g]);
    }
  }

  return found.map((href) => href.slice(page.length)).sort();
}

test('every file that the page names exists and has its type', async () => {
  const files = fs.readdirSync(pages, { recursive: true })
    .filter((name) => /\.\w+$/.test(name) && name !== 'index.html').sort();

  assert.deepEqual(await assets(direct), files);
});


test('all of it works below another path', async () => {
  const response = await fetch(below.slice(0, -1));

  assert.equal(response.url, below);
  assert.equal((await assets(below)).length, (await assets(direct)).length);

  const html = await response.text();
  const links = [...html.matchAll(/href="(\.\.[^"]*)"/g)].map((m) => m[1]);

  assert.equal(links.length, 3);

  for (const link of links) {
    const url = new URL(link.replace('duration=30', 'duration=1'), below);

    assert.equal((await fetch(url)).status, 200, url.href);
  }

  const api = connect(new URL('../api/profiling/', below));

  assert.ok((await api.get('metrics')).metrics);
});


test('the first load has less than 25 KiB', () => {
  const bytes = fs.readdirSync(pages, { recursive: true })
    .map((name) => fs.statSync(path.join(pages, name)))
    .filter((stat) => stat.isFile())
    .reduce((sum, stat) => sum + stat.size, 0);

  assert.ok(bytes < 25 * 1024, `${bytes} bytes`);
});


test('what the page shows is in the answers', async () => {
  const api = connect(new URL('../api/profiling/', direct));

  await fetch(new URL('/hello', direct));
  await until('two samples', 10, async () =>
    (await api.get('metrics/history')).samples.length > 1);

  const has = (answer, list) => {
    for (const field of list.split(' ')) {
      const value = field.split('.').reduce((at, key) => at?.[key], answer);

      assert.notEqual(value, undefined, field);
    }
  };

  const worker = 'memory.sys goroutines gc.num_gc requests.total '
                 + 'event_loop.utilization event_loop.latency.p99 '
                 + 'cpu.usage_percent';

  const metrics = await api.get('metrics');

  has(metrics, 'timestamp uptime');
  has(metrics.metrics, `${worker} memory.alloc memory.heap_inuse `
      + 'memory.heap_sys memory.usage_percent gc.pause_percent '
      + 'gc.last_pause_ns request_rate error_rate connections.active '
      + 'connections.upstream');
  assert.equal(metrics.workers.length, 2);
  metrics.workers.forEach((w) => has(w, `${worker} pid state`));

  const history = await api.get('metrics/history?count=60');

  has(history, 'interval_ms');
  has(history.samples[0], 'timestamp memory.alloc goroutines '
      + 'memory.heap_sys memory.heap_inuse gc.pause_total_ns');

  const since = history.samples.at(-2).timestamp;
  const newer = await api.get('metrics/history?count=60&since='
                              + encodeURIComponent(since));

  assert.equal(newer.samples[0].timestamp, history.samples.at(-1).timestamp);

  has(await api.get('health'), 'status issues.length');
  has(await api.get('runtime'), 'nginx_version module_version pcre_version '
      + 'openssl_version zlib_version allocator num_cpu generation '
      + 'start_time reload_time settings.profiling_interval_ms');

  const { locations, lost } = await api.get('locations');
  const hello = locations.find((l) => l.location === '= /hello');

  assert.equal(typeof lost, 'number');
  assert.equal(hello.server, hostile);
  has(hello, 'requests errors seconds latency.p50 latency.p99');

  has(await api.post('force-gc'),
      'success gc_duration_ms heap_freed_mb heap_alloc_mb');
});


test('errors come in words, and a 503 of health is an answer', async () => {
  const api = connect(new URL('../api/profiling/', direct));

  await assert.rejects(api.get('nothing'), /unknown endpoint/);
  await assert.rejects(api.get('metrics/history?count=x'), /count must be/);

  const server = http.createServer((request, response) => {
    if (request.url === '/health') {
      response.writeHead(503).end('{"status":"unhealthy","issues":["a"]}');

    } else if (request.url === '/text') {
      response.end('<html>');

    } else if (request.url === '/file') {
      response.writeHead(200, {
        'Content-Disposition': 'attachment; filename=cpu-17.prof',
      }).end('abc');

    } else {
      response.writeHead(502).end('Bad Gateway');
    }
  });

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

  const base = `http://127.0.0.1:${server.address().port}/`;
  const other = connect(base);

  assert.equal((await other.get('health')).status, 'unhealthy');
  await assert.rejects(other.get('metrics'), /HTTP status 502/);
  await assert.rejects(other.get('text'), /HTTP status 200/);

  const file = await other.download('file');

  assert.equal(file.name, 'cpu-17.prof');
  assert.equal(await file.blob.text(), 'abc');

  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(other.get('metrics'), /no connection/);
});


test('formats', () => {
  const cases = [
    [format.bytes, [0, '0 B'], [1023, '1,023 B'], [1024, '1.00 KiB'],
     [1048575, '1.00 MiB'], [7290880, '6.95 MiB'], [25276514304, '23.5 GiB'],
     [2 ** 60, '1,048,576 TiB']],
    [format.megabytes, [0.71875, '736 KiB']],
    [format.seconds, [0, '0 s'], [0.000211, '211 µs'], [0.0143, '14.3 ms'],
     [0.9999, '1.00 s'], [1.5, '1.50 s'], [90, '90.0 s'], [1e-9, '0.00 µs']],
    [format.milliseconds, [16.762815, '16.8 ms']],
    [format.nanoseconds, [14341418, '14.3 ms']],
    [format.uptime, [0, '0 s'], [59.9, '59 s'], [60, '1 min'],
     [3661, '1 h 1 min'], [3601, '1 h'], [90000, '1 d 1 h']],
    [format.percent, [0, '0%'], [0.001, '< 0.01%'], [0.0288, '0.03%'],
     [75.5, '75.5%'], [100, '100%']],
    [format.fraction, [0.964, '96.4%']],
    [format.count, [1176740, '1,176,740'], [0, '0']],
    [format.rate, [2409.8, '2,410'], [0.5, '0.50']],
  ];

  for (const [f, ...pairs] of cases) {
    for (const [value, text] of pairs) {
      assert.equal(f(value), text);
    }

    for (const value of [null, undefined, NaN, Infinity, '1', {}]) {
      assert.equal(f(value), null);
    }
  }
});


test('a missing value is n/a, with its reason', () => {
  const answer = {
    metrics: { memory: { alloc: null, sys: 0 }, gc: { num_gc: null } },
    workers: [{ memory: { alloc: null } }],
    unavailable: { 'memory.alloc': 'no allocator', gc: 'no pauses' },
  };

  const bytes = format.bytes;

  assert.deepEqual(format.field(answer, 'metrics.memory.sys', bytes),
                   { text: '0 B' });
  assert.deepEqual(format.field(answer, 'metrics.memory.alloc', bytes),
                   { text: 'n/a', title: 'no allocator' });
  assert.deepEqual(format.field(answer, 'metrics.gc.num_gc', bytes),
                   { text: 'n/a', title: 'no pauses' });
  assert.deepEqual(
    format.field(answer.workers[0], 'memory.alloc', bytes, answer),
    { text: 'n/a', title: 'no allocator' });
  assert.deepEqual(format.field(answer, 'a.b.c'),
                   { text: 'n/a', title: 'there is no value yet' });
});


const sample = (second, ns) => ({
  timestamp: new Date(1e12 + second * 1000).toISOString(),
  memory: { alloc: 100, heap_sys: 200, heap_inuse: second === 4 ? null : 50 },
  goroutines: second,
  gc: { pause_total_ns: ns },
});

test('history: samples are merged, differences are over real time', () => {
  const many = Array.from({ length: 70 }, (_, i) => sample(i, 0));

  const merged = store.merge(many.slice(0, 50), many.slice(40));

  assert.equal(merged.length, 60);
  assert.deepEqual(merged, many.slice(10));

  const list = [sample(0, 5e6), sample(2, 9e6), sample(6, 13e6), sample(8, 1)];
  const of = (name) => store.series(list, name).map((p) => p.value);

  // the last counter fell
  assert.deepEqual(of('pauses'), [null, 2, 1, null]);
  assert.deepEqual(of('connections'), [0, 2, 6, 8]);
  assert.deepEqual(of('memory'), [100, 100, 100, 100]);
  assert.deepEqual(store.series([sample(2), sample(4)], 'heap')
                     .map((p) => p.value), [25, null]);
  assert.equal(store.heapPercent({ heap_sys: 0, heap_inuse: 0 }), null);
});


test('curves: gaps are gaps, and noise does not fill the box', () => {
  const box = { width: 59, height: 10, step: 2000, zero: true };
  const at = (...list) => list.map(([s, value]) => ({ time: s * 1000, value }));
  const line = (...list) => store.curve(at(...list), box)?.line;

  assert.equal(line([0, 0], [2, 10], [4, 5]),
               'M57.0 10.0L58.0 0.0L59.0 5.0');

  // a sample is missing; a value is; one stands alone
  assert.equal(line([0, 0], [2, 10], [6, 5], [8, 5]),
               'M55.0 10.0L56.0 0.0M58.0 5.0L59.0 5.0');
  assert.equal(line([0, 0], [2, null], [4, 10]),
               'M57.0 10.0h0M59.0 0.0h0');
  assert.equal(line([0, null]), undefined);
  assert.equal(line(), undefined);

  // what is older than the box is not drawn
  assert.equal(line([0, 10], [200, 10]), 'M59.0 0.0h0');

  const flat = store.curve(at([0, 100], [2, 100.1]), { ...box, zero: false });

  assert.ok(flat.high - flat.low >= 5);
  assert.ok(flat.low <= 100 && flat.high >= 100.1);
});


test('locations are ranked by time, and polls back off', () => {
  const location = (name, requests, seconds) =>
    ({ location: name, requests, seconds });

  const all = [location('a', 5, 1), location('b', 0, 0), location('c', 1, 3)];
  const { rows, hidden, unused } = store.rank(all);

  assert.deepEqual(rows.map((r) => [r.location, r.share]),
                   [['c', 0.75], ['a', 0.25]]);
  assert.deepEqual([hidden, unused], [0, 1]);
  assert.equal(store.rank(all, 1).hidden, 1);
  assert.equal(store.rank([location('a', 1, 0)]).rows[0].share, null);

  assert.deepEqual([0, 1, 2, 3, 4, 5000].map(store.delay),
                   [2000, 4000, 8000, 16000, 30000, 30000]);
});


// Chromium over its debugging pipe: messages end with a NUL.

const chromium = '/usr/bin/chromium';

async function browse(t) {
  const child = spawn(chromium, [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run',
    '--disable-dev-shm-usage', '--remote-debugging-pipe',
    `--user-data-dir=${root}/chromium`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });

  const ended = new Promise((resolve) => child.once('exit', resolve));

  t.after(async () => {
    child.kill();
    await ended;
  });

  const calls = new Map();
  const complaints = [];
  let rest = '';

  child.stdio[4].setEncoding('utf8').on('data', (data) => {
    const parts = (rest + data).split('\0');

    rest = parts.pop();

    for (const { id, result, error, method, params } of parts.map(JSON.parse)) {
      if (id) {
        calls.get(id)(error ? Promise.reject(new Error(error.message))
                            : result);

      } else if (/exceptionThrown|entryAdded|consoleAPI/.test(method)) {
        complaints.push(JSON.stringify(params));
      }
    }
  });

  const call = (method, params, sessionId) => new Promise((resolve) => {
    const id = calls.size + 1;

    calls.set(id, resolve);
    child.stdio[3].write(`${JSON.stringify({ id, method, params,
                                             sessionId })}\0`);
  });

  const { targetInfos } = await call('Target.getTargets');
  const { targetId } = targetInfos.find(({ type }) => type === 'page');
  const { sessionId } = await call('Target.attachToTarget',
                                   { targetId, flatten: true });

  const ask = (method, params = {}) => call(method, params, sessionId);

  for (const domain of ['Page', 'Runtime', 'Log']) {
    await ask(`${domain}.enable`);
  }

  const evaluate = async (expression) => {
    const { result } = await ask('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true,
    });

    return result.value;
  };

  return { ask, evaluate, complaints };
}

test('in a browser', {
  skip: !fs.existsSync(chromium) && `there is no ${chromium}`,
  timeout: 120000,
}, async (t) => {
  const { ask, evaluate, complaints } = await browse(t);

  const text = (id) =>
    evaluate(`document.getElementById('${id}').textContent`);

  const shows = (id, pattern) => until(`${id} shows ${pattern}`, 30,
    async () => pattern.test(await text(id)));

  await ask('Page.navigate', { url: below });
  await shows('health', /^● healthy$/);

  assert.equal(await evaluate("document.querySelectorAll('#workers tr').length"),
               2);
  await shows('stats', /Memory[\d.]+ MiB.*Uptime.*Request rate/);
  await shows('charts', /Memory allocated/);
  await until('a curve', 20, () =>
    evaluate("/L/.test(document.querySelector('.curve').getAttribute('d'))"));
  await shows('runtime', /nginx_version1\./);

  // a name stays text
  await fetch(new URL('/hello', direct));
  await until('the location', 20, async () =>
    (await text('locations')).includes(hostile));
  assert.equal(await evaluate('document.images.length'), 0);

  await evaluate("document.getElementById('gc').click()");
  await shows('message', /^Force GC: done in .*B freed, .*B in use$/);

  await evaluate("document.getElementById('pause').click()");
  await shows('pause', /^Resume$/);
  await sleep(500);

  const requests = "performance.getEntriesByType('resource').length";
  const asked = await evaluate(requests);

  await sleep(3000);
  assert.equal(await evaluate(requests), asked, 'no request while paused');

  await evaluate("document.getElementById('pause').click()");
  await until('requests again', 10, async () =>
    await evaluate(requests) > asked);

  assert.deepEqual(complaints, []);

  await stop();
  await shows('banner-text', /No data from the server: no connection/);
  await shows('banner-age', /^What is shown is .* s old\.$/);
  assert.equal(await evaluate("document.getElementById('banner').hidden"),
               false);

  await start();
  await until('the banner goes', 40, () =>
    evaluate("document.getElementById('banner').hidden"));
});
