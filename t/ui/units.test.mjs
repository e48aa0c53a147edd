// What the page's modules compute: formats, the store, profiles.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import zlib from 'node:zlib';

const source = path.join(path.dirname(fileURLToPath(import.meta.url)),
                         '../../html/js');

const use = (name) => import(path.join(source, name));

const format = await use('base/format.mjs');
const store = await use('store/store.mjs');
const { connect } = await use('fetch/api.mjs');
const model = await use('profiles/model.mjs');
const { decode } = await use('profiles/proto.mjs');
const { caution } = await use('profiles/texts.mjs');
const { grouped, matching } = await use('profiles/connections.mjs');


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
    [format.perSecond, [2409.8, '2,410/s']],
    [format.pauses, [250, '250 ms/s']],
    [format.signed(format.bytes), [1024, '+1.00 KiB'], [-1024, '−1.00 KiB'],
     [0, '0 B']],
    [format.ofUnit('nanoseconds'), [1e9, '1.00 s']],
    [format.ofUnit('bytes'), [512, '512 B']],
    [format.ofUnit('count'), [512, '512']],
  ];

  for (const [f, ...pairs] of cases) {
    for (const [value, text] of pairs) {
      assert.equal(f(value), text);
    }

    for (const value of [null, undefined, NaN, Infinity, '1', {}]) {
      assert.equal(f(value), null);
    }
  }

  assert.equal(format.frame('main'), 'main');
  assert.equal(format.frame({ function: 'f', file: 'a.c', line: 7 }),
               'f a.c:7');
});


test('a missing value is n/a, with its reason', () => {
  const answer = {
    metrics: { memory: { alloc: null, sys: 0 }, gc: { num_gc: null } },
    workers: [{ memory: { alloc: null } }],
    unavailable: { 'memory.alloc': 'no allocator', gc: 'no pauses' },
  };

  const { bytes } = format;

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

  // one that is going to be there

  const title = 'not known yet: a worker has not lived for an interval';

  const young = { metrics: { request_rate: null },
                  unavailable: { request_rate: title } };

  const shown = format.field(young, 'metrics.request_rate', format.perSecond);

  assert.deepEqual(shown, { text: 'not known yet', title });
  assert.ok(format.missing(shown.text));
  assert.ok(!format.missing(format.perSecond(0)));
});


const sample = (second, ns, requests = null) => ({
  timestamp: new Date(1e12 + second * 1000).toISOString(),
  memory: { alloc: 100, heap_sys: 200, heap_inuse: second === 4 ? null : 50 },
  goroutines: second,
  gc: { pause_total_ns: ns },
  requests,
});

test('history: samples are merged, differences are over real time', () => {
  const many = Array.from({ length: 70 }, (_, i) => sample(i, 0));
  const merged = store.merge(many.slice(0, 50), many.slice(40));

  assert.equal(merged.length, 60);
  assert.deepEqual(merged, many.slice(10));

  const list = [sample(0, 5e6, 1), sample(2, 9e6, 5), sample(4, 13e6, 3)];

  // the last counter of requests fell: that is no rate, and not a negative one
  assert.deepEqual(store.table(list, ['pauses', 'connections', 'requests'],
                               2000),
                   [[1e9, 1e9 + 2, 1e9 + 4], [null, 2, 2], [0, 2, 4],
                    [null, 2, null]]);
  assert.deepEqual(store.table(list, ['heap'], 2000)[1], [25, 25, null]);
  assert.deepEqual(store.table([sample(0, null), sample(2, null)],
                               ['pauses'], 2000)[1], [null, null]);
});

test('history: a gap is a gap, and a rate over it is over its time', () => {
  const list = [sample(0, 0), sample(2, 4e6), sample(10, 12e6)];

  assert.deepEqual(store.table(list, ['pauses'], 2000),
                   [[1e9, 1e9 + 2, 1e9 + 6, 1e9 + 10], [null, 2, null, 1]]);
});

test('axes: noise does not fill the box', () => {
  const [low, high] = store.range(100, 100.1, false);

  assert.ok(high - low >= 5 && low <= 100 && high >= 100.1);
  assert.equal(store.range(50, 100, true)[0], 0);
  assert.deepEqual(store.range(null, null, true), [0, 1]);
});


const location = (name, requests, seconds, server = 's') =>
  ({ server, location: name, requests, seconds });

test('locations: rates, shares, and what was not used', () => {
  const before = { timestamp: '2026-01-01T00:00:00Z',
                   locations: [location('a', 5, 1), location('c', 9, 1)] };
  const now = { timestamp: '2026-01-01T00:00:02Z',
                locations: [location('a', 15, 1), location('b', 0, 0),
                            location('c', 1, 3), location('new', 4, 0)] };
  const rates = store.locationRates(now, before);

  // a count that fell, and a location that was not there, have no rate
  assert.deepEqual([...rates.values()], [5]);

  const cpu = { total: 8, values: new Map([[store.keyOf(location('a')), 6]]) };
  const { rows, unused } = store.locations(now.locations, rates, cpu);

  assert.equal(unused, 1);
  assert.deepEqual(rows.map((r) => [r.location, r.rate, r.share, r.cpu]),
                   [['a', 5, .25, .75], ['c', null, .75, 0],
                    ['new', null, 0, 0]]);
  assert.deepEqual(store.locations(now.locations, new Map(), null).rows[0].cpu,
                   null);
  assert.equal(store.locationRates(now, undefined).size, 0);
});

test('locations: the bill, in which no location has a share, too', () => {
  const cost = (cpu_seconds) => ({ cost: { cpu_seconds, loop_seconds: 9 } });
  const { rows, unused } = store.locations([
    { ...location('a', 10, 1), ...cost(2) },
    { ...location('b', 0, 0), ...cost(1) },
    { server: null, location: null, ...cost(5) },
  ], new Map(), null);

  assert.equal(unused, 1);
  assert.deepEqual(rows.map((r) => [r.location, r.cpu, r.cost.thousand]),
                   [['a', .25, 200]]);
  assert.equal(store.locations([{ ...location('a', 1, 1), cost: null }],
                               new Map(), null).rows[0].cost, null);
});

test('tables are sorted, and what has no value comes last', () => {
  const rows = [{ a: { b: 2 } }, { a: { b: null } }, { a: { b: 10 } }];
  const by = (down) => store.sorted(rows, { path: 'a.b', down })
    .map((r) => r.a.b);

  assert.deepEqual(by(true), [10, 2, null]);
  assert.deepEqual(by(false), [2, 10, null]);
  assert.deepEqual(store.sorted([{ n: '/b' }, { n: '/a10' }, { n: '/a9' }],
                                { path: 'n', down: false }).map((r) => r.n),
                   ['/a9', '/a10', '/b']);
});

test('workers that went are shown for a minute, and told apart', () => {
  const worker = (pid, state) => ({ pid, state, worker: 0, generation: 1 });

  let ended = store.endedWorkers(new Map(), [
    worker(1, 'running'), worker(2, 'draining'), worker(3, 'running'),
  ], [worker(3, 'running')], 1000);

  assert.deepEqual([...ended.values()].map((w) => [w.pid, w.state]),
                   [[1, 'died'], [2, 'ended']]);

  // between two polls a reload was over: the generation tells
  assert.equal(store.endedWorkers(new Map(), [worker(1, 'running')],
                                  [{ pid: 9, generation: 2 }], 1).get(1).state,
               'ended');

  ended = store.endedWorkers(ended, [worker(3)], [worker(3), worker(1)], 50000);
  assert.deepEqual([...ended.keys()], [2]);
  assert.equal(store.endedWorkers(ended, [], [], 62000).size, 0);

  const at = (s) => new Date(1e12 + s * 1000).toISOString();
  const runtime = { start_time: at(0), reload_time: at(100), generation: 2 };
  const since = (started, generation, state = 'running') =>
    store.restarted({ started: at(started), generation, state }, runtime,
                    1e12 + 200000);

  assert.equal(since(150, 2), 50000);
  assert.equal(since(101, 2), null);
  assert.equal(since(150, 1), null);
  assert.equal(since(150, 2, 'draining'), null);
});

test('polls back off', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5000].map(store.delay),
                   [2000, 4000, 8000, 16000, 30000, 30000]);
});

test('eight hours of samples need the room of sixty', () => {
  let history = [];

  for (let i = 0; i < 14400; i++) {
    history = store.merge(history, [sample(i * 2, i)]);
  }

  assert.equal(history.length, 60);
});


test('errors come in words, and a 503 of health is an answer', async () => {
  const answers = {
    '/api/profiling/health': [503, '{"status":"unhealthy","issues":["a"]}'],
    '/api/profiling/text': [200, '<html>'],
    '/api/profiling/bad': [400, '{"error":{"message":"count must be"}}'],
    '/api/profiling/slow': [200, '{"a":1}'],
    '/debug/pprof/heap': [404, 'Unknown profile\n'],
    '/debug/pprof/heap?worker=7': [404, 'there is no worker 7\n'],
    '/debug/pprof/busy': [500, 'cpu profiling already in use\n'],
  };

  let waited = 0;

  const server = http.createServer(({ url }, response) => {
    // an answer that ends in the middle is none of 200
    if (url === '/api/profiling/half') {
      response.writeHead(200, { 'Content-Length': 100 }).write('{"a":');
      setTimeout(() => response.destroy(), 50);
      return;
    }

    // one worker hangs, the other does not
    if (url === '/api/profiling/slow' && !waited++) {
      return;
    }

    if (url === '/file') {
      response.writeHead(200, {
        'Content-Disposition': 'attachment; filename=cpu-17.prof',
      }).end('abc');
      return;
    }

    const [status, body] = answers[url] ?? [502, '<html>Bad Gateway</html>'];

    response.writeHead(status).end(body);
  });

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

  const base = `http://127.0.0.1:${server.address().port}/`;
  const api = connect(base);

  assert.equal((await api.get('health')).status, 'unhealthy');
  await assert.rejects(api.get('metrics'), { message: 'HTTP status 502',
                                             status: 502 });
  await assert.rejects(api.get('text'), /HTTP status 200/);
  await assert.rejects(api.get('bad'), /count must be/);
  await assert.rejects(api.download('debug/pprof/heap'),
                       { message: 'not in this build (Unknown profile)' });
  await assert.rejects(api.download('debug/pprof/busy'), /already in use/);
  await assert.rejects(connect(base, () => 7).download('debug/pprof/heap'),
                       { message: 'there is no worker 7' });

  await assert.rejects(api.get('half'), /no connection/);
  assert.deepEqual(await api.get('slow'), { a: 1 });
  assert.equal(waited, 2);

  const file = await api.download('file');

  assert.equal(file.name, 'cpu-17.prof');
  assert.equal(Buffer.from(file.bytes).toString(), 'abc');

  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(api.get('metrics'), /no connection/);
});


// A profile, written by hand

function varint(n) {
  let value = BigInt.asUintN(64, BigInt(n));
  const bytes = [];

  do {
    bytes.push(Number(value & 127n) | (value > 127n ? 128 : 0));
    value >>= 7n;
  } while (value);

  return bytes;
}

const int = (field, n) => [...varint(field << 3), ...varint(n)];

const part = (field, bytes) =>
  [...varint(field << 3 | 2), ...varint(bytes.length), ...bytes];

const text = (field, s) => part(field, [...Buffer.from(s)]);

const strings = ['', 'cpu', 'nanoseconds', 'main', 'inner', 'outer', 'server',
                 'location', 'a', '/x', 'pid', '/bin/nginx', 'müller', 'b'];

// samples: [[location ids], value, label bytes]

const profile = (samples, duration = 2e9) => Buffer.from([
  ...part(1, [...int(1, 1), ...int(2, 2)]),
  ...samples.flatMap(([ids, value, labels = []]) => part(2, [
    ...part(1, ids.flatMap(varint)), ...part(2, varint(value)),
    ...labels.flatMap((label) => part(3, label)),
  ])),
  ...part(3, [...int(1, 1), ...int(5, 11)]),
  ...part(4, [...int(1, 1), ...int(2, 1), ...int(3, 100),
              ...part(4, int(1, 1))]),
  // an inlined call: innermost first
  ...part(4, [...int(1, 2), ...int(2, 1), ...int(3, 200),
              ...part(4, int(1, 2)), ...part(4, int(1, 3))]),
  // no name, an address above 2^32
  ...part(4, [...int(1, 3), ...int(3, 0x7f0012345678)]),
  ...part(4, [...int(1, 4), ...int(2, 1), ...part(4, int(1, 4))]),
  ...[3, 4, 5, 12].flatMap((name, i) =>
    part(5, [...int(1, i + 1), ...int(2, name)])),
  ...strings.flatMap((s) => text(6, s)),
  ...int(9, 1700000000000000000n),
  ...int(10, duration),
  // a field that is not known
  ...text(99, 'whatever'),
]);

const on = (server) =>
  [[...int(1, 6), ...int(2, server)], [...int(1, 7), ...int(2, 9)],
   [...int(1, 10), ...int(3, 31118)]];

const samples = [
  [[2, 1], 30, on(8)],
  [[3, 1], 50, on(13)],
  [[1, 1], 5],
  [[4, 1], 15],
];

test('profiles: what the server sends is read, zipped or not', async () => {
  const bytes = profile(samples);

  for (const of of [bytes, zlib.gzipSync(bytes)]) {
    const got = await decode(of);

    assert.deepEqual(got.types, [{ type: 'cpu', unit: 'nanoseconds' }]);
    assert.equal(got.duration, 2);
    assert.equal(got.time, 1.7e12);
    assert.deepEqual(got.samples.map((s) => s.frames.map((f) => f.name)), [
      ['main', 'outer', 'inner'], ['main', '0x7f0012345678'],
      ['main', 'main'], ['main', 'müller'],
    ]);
    assert.deepEqual(got.samples.map((s) => s.values), [[30], [50], [5], [15]]);
    assert.equal(got.samples[0].frames[0].module, 'nginx');
    assert.deepEqual([...got.samples[0].labels],
                     [['server', 'a'], ['location', '/x'], ['pid', '31118']]);
  }

  // a difference can be negative
  assert.deepEqual((await decode(profile([[[1], -7]]))).samples[0].values,
                   [-7]);
});

test('profiles: what is cut off or broken is refused', async () => {
  const bytes = profile(samples);

  for (let length = 1; length < bytes.length; length += 3) {
    await decode(bytes.subarray(0, length)).catch((error) =>
      assert.match(error.message, /cut off|broken/));
  }

  await assert.rejects(decode(Buffer.from([0x0a, 0x7f, 1])), /broken/);
  await assert.rejects(decode(Buffer.from([0x1f, 0x8b, 1, 2])));
});

const flat = (at) => [at.frame.name, at.total, at.self,
                      [...at.children.values()].map(flat)];

test('profiles: a tree, its functions, groups and filters', async () => {
  const got = await decode(profile(samples));
  const { root } = model.tree(got, { type: 0 });

  assert.deepEqual(flat(root), ['all', 100, 0, [['main', 100, 0, [
    ['outer', 30, 0, [['inner', 30, 30, []]]],
    ['0x7f0012345678', 50, 50, []],
    ['main', 5, 5, []],
    ['müller', 15, 15, []],
  ]]]]);

  // what calls itself counts once
  const rows = Object.fromEntries(model.functions(root)
    .map(({ frame, self, total }) => [frame.name, [self, total]]));

  assert.deepEqual(rows.main, [5, 100]);
  assert.deepEqual(rows.outer, [0, 30]);

  const by = model.tree(got, { type: 0, by: ['server', 'location'] }).root;

  assert.deepEqual([...by.children.values()].map((n) =>
    [n.frame.name, n.total]),
    [['server: a', 30], ['server: b', 50], ['server: none', 20]]);

  const only = model.tree(got, {
    type: 0, filter: { key: 'server', value: 'b' },
  }).root;

  assert.equal(only.total, 50);

  assert.equal(model.matched(root, model.search('MAIN')), 1);
  assert.equal(model.matched(root, model.search('inner')), .3);
  assert.equal(model.search('  '), null);

  assert.deepEqual([...model.labels(got, 0).get('server')],
                   [['b', 50], ['a', 30]]);

  const cpu = model.byLocation(got, 0, store.keyOf);

  assert.deepEqual([cpu.total, cpu.outside], [100, 20]);
  assert.equal(cpu.values.get(store.keyOf({ server: 'a', location: '/x' })),
               30);
});

test('profiles: rectangles lie within those of their callers', async () => {
  const boxes = model.layout(
    model.tree(await decode(profile(samples)), { type: 0 }).root, 0.1);

  assert.deepEqual(boxes.map((b) => [b.node.frame.name, b.depth,
                                     Math.round(b.left * 100),
                                     Math.round(b.width * 100)]),
    [['all', 0, 0, 100], ['main', 1, 0, 100], ['0x7f0012345678', 2, 0, 50],
     ['outer', 2, 50, 30], ['inner', 3, 50, 30], ['müller', 2, 80, 15]]);
});

// what decode() gives, of stacks as texts

const fake = (list, more = {}) => ({
  types: [{ type: 'samples', unit: 'count' }],
  samples: list.map(([stack, values, labels = []]) => ({
    frames: stack.split(' ').map((name) => ({ name, module: 'm', file: '' })),
    values: [values].flat(),
    labels: new Map(labels),
  })),
  duration: 0,
  ...more,
});

test('profiles: frames that all stacks share are one', () => {
  const got = fake([
    ['_start main cycle loop a b', 60, [['server', 'x']]],
    ['_start main cycle loop a c', 30, [['server', 'y']]],
    ['_start main cycle loop', 5],
    ['clone3 thread_start pool task read', 3],
    ['clone3 thread_start pool task write', 2],
    ['lost', 1],
  ]);
  const shared = model.sharedFrames([got]);

  assert.deepEqual([...shared.values()].map(({ name }) => name),
                   ['_start … loop (4 frames)', 'clone3 … task (4 frames)']);

  const { root } = model.tree(got, { type: 0, shared });

  assert.deepEqual(flat(root), ['all', 101, 0, [
    ['_start … loop (4 frames)', 95, 5, [
      ['a', 90, 0, [['b', 60, 60, []], ['c', 30, 30, []]]],
    ]],
    ['clone3 … task (4 frames)', 5, 0, [['read', 3, 3, []],
                                        ['write', 2, 2, []]]],
    ['lost', 1, 1, []],
  ]]);

  // what one group shares more than the others stays to be seen
  const by = model.tree(got, { type: 0, by: ['server'], shared }).root;

  assert.deepEqual([...by.children.values()].map(flat)[0],
    ['server: x', 60, 0, [['_start … loop (4 frames)', 60, 0, [
      ['a', 60, 0, [['b', 60, 60, []]]]]]]]);

  // what is folded is found all the same
  const [frame] = [...root.children.values()].map((n) => n.frame);

  assert.ok(model.passes(frame, model.search('cycle')));
  assert.ok(!model.passes(frame, model.search('read')));

  // a stack of the other capture counts too
  assert.deepEqual([...model.sharedFrames([got, fake([['_start main x', 1]])])
    .keys()], ['clone3']);
  assert.equal(model.sharedFrames([fake([['', 1]])]).size, 0);
});

test('profiles: how many samples a profile is made of', () => {
  const types = ['alloc_objects', 'alloc_space', 'inuse_objects',
                 'inuse_space'].map((type) => ({ type, unit: '' }));

  // one in 2,000 blocks of 1 byte at a rate of 2,000, each block of 100,000
  const heap = fake([['a', [0, 0, 2e6, 2e6], [['server', 'x']]],
                     ['b', [7, 7e5, 3, 3e5]]], { types, period: 2000 });

  assert.equal(Math.round(model.sampled(heap, 3)), 1003);
  assert.equal(Math.round(model.sampled(heap, 2)), 1003);
  assert.equal(Math.round(model.sampled(heap, 1)), 7);
  assert.equal(Math.round(model.sampled(heap, 3, { key: 'server', value: 'x' })),
               1000);

  const cpu = fake([['a', 3], ['b', 4]]);

  assert.equal(model.sampled(cpu, 0), 7);
  assert.equal(model.sampled(fake([['a', 1]], { types: [{ type: 'delay' }] }),
                             0), null);

  // and what is said of few
  const said = (kind, samples) => caution({ samples }, { kind });

  assert.equal(said('heap', 13.7), '▲ Only about 14 samples: this profile proves '
    + 'little. A smaller profiling_heap_rate takes more samples.');
  assert.match(said('heap', 0.2), /^▲ There are no samples: /);
  assert.match(said('profile', 1), /^▲ Only 1 sample: .*profiling_cpu_rate/);
  assert.equal(said('heap', 100), '');
  assert.equal(said('block', 3), '');
  assert.equal(said('profile', null), '');
});

test('profiles: two are compared by the second', async () => {
  const now = await decode(profile([[[4, 1], 40], [[2, 1], 10]], 2e9));
  const before = await decode(profile([[[4, 1], 40], [[3, 1], 40]], 4e9));
  const { root, compared, perSecond } =
    model.tree(now, { type: 0, other: before });

  assert.ok(compared && perSecond);
  assert.deepEqual([root.total, root.before], [25, 20]);

  const of = Object.fromEntries(model.functions(root).map((row) =>
    [row.frame.name, [row.self, row.beforeSelf]]));

  assert.deepEqual(of['müller'], [20, 10]);
  assert.deepEqual(of.inner, [5, 0]);
  assert.deepEqual(of['0x7f0012345678'], [0, 10]);

  const changes = Object.fromEntries([...root.children.get('mainnginx')
    .children.values()].map((n) => [n.frame.name, model.change(n)]));

  assert.equal(changes.outer, 1);
  assert.equal(changes['0x7f0012345678'], -1);
});


test('connections are grouped by their stack, and searched', () => {
  const list = [
    { id: 1, uri: '/a', stack: ['f', 'g'], wait_seconds: 1 },
    { id: 2, uri: '/b', stack: ['h'] },
    { id: 3, uri: '/c', stack: ['f', 'g'], wait_seconds: 5 },
  ];

  assert.deepEqual(grouped(list).map(({ frames, list: of }) =>
    [frames, of.map(({ id }) => id)]),
    [[['f', 'g'], [3, 1]], [['h'], [2]]]);
  assert.deepEqual(matching(list, '/B').map(({ id }) => id), [2]);
  assert.equal(matching(list, ' ').length, 3);

  // a name of a field is not what is searched
  assert.equal(matching(list, 'uri').length, 0);
});


// What a file imports, as paths below html/js

const imports = (name) =>
  [...fs.readFileSync(path.join(source, name), 'utf8')
    .matchAll(/^(?:import\b[^;]*?|\s+)from '(\.[^']+)';/gm)]
    .map(([, to]) => path.join(path.dirname(name), to));

test('a file imports from lower floors or its own, without circles', () => {
  const floors = ['base', 'fetch', 'store', 'views', 'profiles', 'control', '.'];
  const floor = (name) => floors.indexOf(path.dirname(name));
  const names = fs.readdirSync(source, { recursive: true })
    .filter((name) => name.endsWith('.mjs'));

  const wrong = [];
  const visit = (name, way) => {
    if (way.includes(name)) {
      wrong.push(`a circle: ${[...way, name].join(' ')}`);
      return;
    }

    for (const to of imports(name)) {
      if (floor(to) > floor(name)) {
        wrong.push(`${name} imports ${to}, which stands higher`);

      } else {
        visit(to, [...way, name]);
      }
    }
  };

  assert.ok(names.length > 20 && names.every((name) => floor(name) >= 0));
  assert.ok(names.flatMap(imports).length > 60);
  names.forEach((name) => visit(name, []));
  assert.deepEqual([...new Set(wrong)], []);
});


test('the lock files name no registry, and pin what they name', () => {
  for (const name of ['../package-lock.json',
                      '../../t/ui/package-lock.json'])
  {
    const lock = fs.readFileSync(path.join(source, name), 'utf8');

    assert.doesNotMatch(lock, /resolved|https?:\/\/(?!github|opencollective)/);

    for (const [at, entry] of Object.entries(JSON.parse(lock).packages)) {
      assert.ok(!at || entry.integrity, at);
    }
  }
});
