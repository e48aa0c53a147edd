// Four hours of updates of the page, UI_HOURS: answers are those of a real
// nginx, and change as its would; the clock is not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { api, direct, launch, open, start, stop, until } from './lib/site.mjs';

const hours = Number(process.env.UI_HOURS || 4);
const warm = 2;
const updates = (hours - warm) * 1800;

// What an update leaves behind: an answer that is kept takes kilobytes.  What is
// measured are 13 to 28 bytes: the browser's own.
const left = 100;

// t/run has a limit of its own: TEST_TIMEOUT, 300 s
const limits = { timeout: 60000 + hours * 1800 * 25 };

let browser;

before(async () => {
  await start({ workers: 16, interval: '2s' });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop();
});


// A clock that stands still until it is told to go on: advance(ms) calls what
// is due, in order, and lets promises settle in between.  It runs in the page.

function holdClock() {
  const timers = new Map();
  const RealDate = Date;
  let now = RealDate.now();
  let last = 0;

  window.Date = class extends RealDate {
    constructor(...parts) {
      super(...(parts.length ? parts : [now]));
    }

    static now() {
      return now;
    }
  };

  const add = (again) => (f, ms = 0) => {
    timers.set(++last, { f, at: now + ms, every: again ? ms : 0 });

    return last;
  };

  window.setTimeout = add(false);
  window.setInterval = add(true);
  window.clearTimeout = window.clearInterval = (id) => timers.delete(id);

  // the browser holds one for two seconds of its own clock: some 3,000 here
  AbortSignal.timeout = () => new AbortController().signal;

  const { port1, port2 } = new MessageChannel();
  const settle = () => new Promise((resolve) => {
    port1.onmessage = resolve;
    port2.postMessage(null);
  });

  window.advance = async (ms) => {
    const end = now + ms;

    for (;;) {
      let [id, next] = [0, { at: Infinity }];

      for (const [i, timer] of timers) {
        if (timer.at < next.at) {
          [id, next] = [i, timer];
        }
      }

      if (next.at > end) {
        break;
      }

      now = Math.max(now, next.at);

      if (next.every) {
        next.at += next.every;

      } else {
        timers.delete(id);
      }

      next.f();
      await settle();
    }

    now = end;
  };
}

// Answers for a page without a server, as moments pass: all that grows or
// changes in them does.  It runs in the page.

function replay(answers) {
  const epoch = Date.now();
  let asked = 0;

  const stamp = (ms) => new Date(ms).toISOString();

  const make = {
    metrics(answer, now) {
      const n = (now - epoch) / 2000;

      answer.timestamp = stamp(now);
      answer.uptime += n * 2;
      answer.metrics.goroutines = 10 + n % 7;
      answer.workers.forEach((worker, i) => {
        worker.cpu.usage_percent = (n * 7 + i) % 100;
        worker.requests.total += n * 100;

        // a worker dies and another comes, all the time
        worker.pid = 1000 + Math.floor(n / 50) * 16 + i;
      });
    },

    history(answer, now, since) {
      const [sample] = answer.samples;
      const first = Math.max(now - 120000, Date.parse(since ?? 0) + 1);

      answer.samples = [];

      for (let at = Math.ceil(first / 2000) * 2000; at <= now; at += 2000) {
        answer.samples.push({
          ...sample,
          timestamp: stamp(at),
          goroutines: at / 2000 % 11,
          requests: (at - epoch) / 20,
        });
      }
    },

    locations(answer, now) {
      answer.timestamp = stamp(now);
      answer.locations.forEach((location, i) => {
        location.requests += (now - epoch) / (i + 1);
      });
    },

    timeline(answer, now) {
      answer.from = stamp(now - 900000);
      answer.until = stamp(now);
      answer.series.forEach((row, i) => {
        row.cpu_seconds = row.cpu_seconds.map((_, k) => (now / 1e4 + i + k) % 7);
      });
    },

    gc(answer, now) {
      answer.recent = Array.from({ length: 64 }, (_, i) => ({
        worker: 1000 + i % 16,
        time: stamp(now - i * 1000),
        duration_ns: 1e7 + (now + i) % 1e7,
        cause: 'cpu',
        stack: ['f', 'g', `h${i}`],
      }));
    },
  };

  window.fetch = async (url) => {
    const name = String(url).includes('history') ? 'history'
      : /profiling\/(\w+)/.exec(url)[1];
    const answer = structuredClone(answers[name]);
    const { searchParams } = new URL(url);

    make[name]?.(answer, Date.now(), searchParams.get('since'));
    asked += name === 'metrics';

    return { ok: true, status: 200, json: async () => answer };
  };

  window.asked = () => asked;
}


test(`${hours} hours of updates do not grow its memory`, limits, async () => {
  const names = ['metrics', 'health', 'locations', 'gc', 'runtime', 'crashes',
                 'capacity', 'upstreams', 'tls', 'caches', 'modules', 'reloads',
                 'timeline', 'incidents', 'slow'];
  const answers = Object.fromEntries(await Promise.all(names.map(
    async (name) => [name, await api(name)])));

  answers.history = await until('a sample', 10, async () => {
    const history = await api('metrics/history');

    return history.samples.length && history;
  });

  const { page, context, complaints } = await open(browser, direct, {
    viewport: { width: 400, height: 300 },
    init: async (p) => {
      await p.addInitScript(holdClock);
      await p.addInitScript(replay, answers);
    },
  });

  const session = await context.newCDPSession(page);

  const settled = async () => {
    await session.send('HeapProfiler.collectGarbage');
    await session.send('HeapProfiler.collectGarbage');

    const { usedSize } = await session.send('Runtime.getHeapUsage');
    const { nodes } = await session.send('Memory.getDOMCounters');

    return { bytes: usedSize, nodes };
  };

  // A simulated hour: five minutes with the curves in sight, and the others with
  // all that a browser does for what is seen left out, since it is that which
  // takes the time.  The document is changed in both.
  const pass = async () => {
    for (const [hidden, minutes] of [[false, 5], [true, 55]]) {
      await page.evaluate(async ([off, ms]) => {
        document.getElementById('main').hidden = off;
        document.getElementById('charts').scrollIntoView();
        await new Promise((resolve) =>
          requestAnimationFrame(() => requestAnimationFrame(resolve)));
        await window.advance(ms);
      }, [hidden, minutes * 60000]);
    }
  };

  const asked = () => page.evaluate(() => window.asked());

  // what is made once, the compiler's code too, has been made after two hours
  for (let i = 0; i < warm; i++) {
    await pass();
  }

  const first = await settled();
  const before_ = await asked();
  const from = Date.now();

  for (let i = warm; i < hours; i++) {
    await pass();
  }

  const spent = Date.now() - from;
  const last = await settled();
  const done = await asked() - before_;

  console.log(`# after ${warm} hours ${JSON.stringify(first)}, after ${hours} hours `
              + `${JSON.stringify(last)}, ${done} updates, `
              + `${(spent / done).toFixed(1)} ms each`);

  assert.ok(updates > 0 && Math.abs(done - updates) <= hours + 1,
            `${done} updates`);
  assert.ok(last.bytes < first.bytes + left * updates,
            `${first.bytes} and ${last.bytes} bytes`);
  assert.ok(last.nodes <= first.nodes + 10,
            `${first.nodes} and ${last.nodes} nodes`);
  assert.deepEqual(complaints, []);
  await context.close();
});
