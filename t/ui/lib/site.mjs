// What the tests of the page share: an nginx with the module, and a browser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const { env } = process;

if (!env.TEST_PROFILING_DIR) {
  throw new Error('run this by make test T=t/ui/page.test.mjs');
}

export const root = env.TEST_NGINX_SERVROOT;
export const port = Number(env.TEST_NGINX_PORT);
export const pages = path.join(env.TEST_PROFILING_DIR, 'html/profiling');
export const direct = `http://127.0.0.1:${port}/performance/`;
export const below = `http://127.0.0.1:${port + 1}/some/where/performance/`;
export const locked = `http://127.0.0.1:${port + 3}/performance/`;

export const hostile = '<img src=x onerror=document.title=1>';

const require = createRequire(`${path.resolve(env.BUILD)}/npm/ui/`);

export const { chromium } = require('playwright-core');
export const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'),
                                   'utf8');

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Calls until it returns something true

export async function until(what, seconds, f) {
  const end = Date.now() + seconds * 1000;
  let last;

  for (;;) {
    const value = await Promise.resolve().then(f).catch((error) => {
      last = error;
    });

    if (value) {
      return value;
    }

    assert.ok(Date.now() < end,
              `not within ${seconds} s: ${what} ${last ?? ''}`);
    await sleep(50);
  }
}

// The types are those of nginx 1.22, and the file's own must do.

const conf = ({ workers, interval, http = '', held = '' }) => `
daemon off;
worker_processes ${workers};
pid ${root}/logs/nginx.pid;
error_log ${root}/logs/error.log;
load_module ${env.TEST_NGINX_LOAD_MODULES};

events { worker_connections 256; }

http {
    types {
        text/html html;
        text/css css;
        application/javascript js;
        image/svg+xml svg;
    }

    default_type application/octet-stream;
    access_log off;
    profiling_interval ${interval};
    ${http}

    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${root}/${name};`).join('\n    ')}

    server {
        listen 127.0.0.1:${port};
        server_name "${hostile}";
        include ${env.TEST_PROFILING_DIR}/conf/snippets/profiling.conf;

        location = /hello { return 200 hello; }
        location = /fail { return 500 failed; }

        location = /work {
            gzip on;
            gzip_comp_level 9;
            gzip_types *;
            alias ${root}/work.txt;
        }

        location /back/ {
            proxy_pass http://127.0.0.1:${port + 2}/;
        }

        # a server of the test's own, which answers when it likes to
        location = /held {
            ${held}
            proxy_pass http://127.0.0.1:${port + 4};
        }
    }

    server {
        listen 127.0.0.1:${port + 1};
        server_name proxy;

        location /some/where/ {
            proxy_set_header Host $http_host;
            proxy_read_timeout 400s;
            proxy_pass http://127.0.0.1:${port}/;
        }
    }

    server {
        listen 127.0.0.1:${port + 2};
        server_name backend;

        location / { return 200 back; }
    }

    server {
        listen 127.0.0.1:${port + 3};
        server_name locked;

        auth_basic locked;
        auth_basic_user_file ${root}/users;
        include ${env.TEST_PROFILING_DIR}/conf/snippets/profiling.conf;
    }
}
`;

let nginx = null;

// those that run
const loads = new Set();

export async function start(options = {}) {
  fs.mkdirSync(`${root}/logs`, { recursive: true });
  fs.writeFileSync(`${root}/nginx.conf`,
                   conf({ workers: 2, interval: '200ms', ...options }));
  fs.writeFileSync(`${root}/users`, 'me:{PLAIN}secret\n');
  fs.writeFileSync(`${root}/work.txt`, Array.from({ length: 20000 },
    (_, i) => `line ${i * 7919 % 10007} of the text\n`).join(''));

  // a worker may be another user
  fs.chmodSync(root, 0o755);
  fs.chmodSync(`${root}/work.txt`, 0o644);

  nginx = spawn(env.TEST_NGINX_BINARY,
                ['-p', env.TEST_PROFILING_DIR, '-e', `${root}/logs/error.log`,
                 '-c', `${root}/nginx.conf`],
                { stdio: ['ignore', 'inherit', 'inherit'] });

  await until('nginx answers', 60, () => fetch(direct));
}

// What a test that failed has left behind ends too

export async function stop() {
  await Promise.all([...loads].map((done) => done()));

  if (nginx) {
    await end(nginx, () => nginx.kill('SIGTERM'));
  }
}

// A child that is asked to end, by "ask", and made to where that does not help

export async function end(child, ask) {
  const ended = () => child.exitCode !== null || child.signalCode !== null;

  if (ended()) {
    return;
  }

  ask();

  try {
    await until(`the end of ${child.spawnfile}`, 60, ended);

  } finally {
    child.kill('SIGKILL');
  }
}

export const reload = () => nginx.kill('SIGHUP');

export const api = async (name, options) =>
  (await fetch(new URL(`../api/profiling/${name}`, direct), options)).json();

// Whether the workers' allocator has figures, as the server says; the one of a
// sanitizer has none.

export async function heapTold() {
  const told = await until('what is known of the heap', 60, async () => {
    const { metrics: { memory }, unavailable } = await api('metrics');

    return memory.alloc !== null ? { heap: true }
      : /allocator/.test(unavailable['memory.alloc']) && { heap: false };
  });

  assert.equal(told.heap, !env.SANITIZE, 'only a sanitizer hides the heap');

  return told.heap;
}

// The pids of the workers that run

export const workers = async () =>
  (await api('metrics')).workers.filter(({ state }) => state === 'running')
    .map(({ pid }) => pid);

// Requests until it is told to stop: load('/work', 4) gives that function

export function load(where, clients = 2) {
  let on = true;

  const ask = async () => {
    while (on) {
      await fetch(new URL(where, direct),
                  { headers: { 'Accept-Encoding': 'gzip' } })
        .then((response) => response.arrayBuffer())
        .catch(() => sleep(20));
    }
  };

  const all = Promise.all(Array.from({ length: clients }, ask));

  const done = async () => {
    on = false;
    loads.delete(done);
    await all;
  };

  loads.add(done);

  return done;
}

export const launch = () => chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-precise-memory-info'],
});

// A page that notes what the browser complains about, and where it asked.
// "expected" is a pattern of complaints that belong to the test.  Where a
// machine has too much to do, health answers with a 503.

export async function open(browser, url, options = {}) {
  const { expected, init, ...rest } = options;

  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 }, ...rest,
  });

  context.setDefaultTimeout(60000);

  const page = await context.newPage();
  const complaints = [];
  const asked = [];

  const note = (text) => {
    if (!expected?.test(text)) {
      complaints.push(text);
    }
  };

  page.on('console', (message) => {
    const late = /status of 503/.test(message.text())
                 && /\/health$/.test(message.location().url);

    if (['error', 'warning'].includes(message.type()) && !late) {
      note(message.text());
    }
  });
  page.on('pageerror', (error) => note(String(error.stack)));
  let waits = 0;

  page.on('request', (request) => {
    asked.push(request.url());
    waits++;
  });
  page.on('requestfinished', () => waits--);
  page.on('requestfailed', () => waits--);

  // all that was asked for is there, and on the screen
  const settled = async () => {
    await until('all answers', 60, () => waits === 0);
    await page.evaluate(() => new Promise((resolve) => {
      requestAnimationFrame(() => setTimeout(resolve));
    }));
  };

  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });

  if (init) {
    await init(page);
  }

  await page.goto(url);

  const text = (selector) => page.locator(selector).innerText();

  const shows = (selector, pattern, seconds = 60) =>
    until(`${selector} shows ${pattern}`, seconds, async () =>
      pattern.test(await page.locator(selector).textContent()));

  return { page, context, complaints, asked, settled, text, shows };
}
