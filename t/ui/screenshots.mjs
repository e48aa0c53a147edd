// Pictures of the page, of the site of make run under load:
//
//   BUILD=dir node t/ui/screenshots.mjs NGINX     (make screenshots)

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const build = path.resolve(process.env.BUILD);
const [nginx] = process.argv.slice(2);
const port = 20000 + process.pid % 8000;
const site = `http://127.0.0.1:${port}`;
const out = path.join(build, 'screenshots');

const { chromium } = createRequire(`${build}/npm/ui/`)('playwright-core');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(f) {
  for (let i = 0; i < 150; i++) {
    if (await Promise.resolve().then(f).catch(() => false)) {
      return;
    }

    await sleep(200);
  }

  throw new Error(`not within 30 s: ${f}`);
}

const children = [];

const run = (command, ...args) => {
  const child = spawn(command, args, { stdio: 'ignore' });

  children.push(child);

  return child;
};

const load = (seconds, clients, where) =>
  run('wrk', '-t1', `-c${clients}`, `-d${seconds}s`, '-H',
      'Accept-Encoding: gzip', site + where);

fs.mkdirSync(out, { recursive: true });

run('tools/run', nginx, String(port));

let browser;

try {
  await until(async () => (await fetch(site)).ok);

  load(140, 16, '/backend/assets/catalog.json');
  load(140, 6, '/users/somebody/home');
  load(140, 2, '/assets/random.bin');

  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });

  const open = async (options, query = '') => {
    const context = await browser.newContext({
      viewport: { width: 1360, height: 900 }, ...options,
    });

    const page = await context.newPage();

    await page.goto(`${site}/performance/${query}`);
    await page.locator('#workers tbody tr').first().waitFor();

    return page;
  };

  const shot = async (page, name, options) => {
    await page.screenshot({ path: path.join(out, `${name}.png`), ...options });
    console.log(path.join(out, `${name}.png`));
  };

  // all stands still for the picture
  const measured = async (page) => {
    await page.click('#measure');
    await page.locator('.tab').first().waitFor({ timeout: 30000 });
    await sleep(2500);
  };

  const light = await open({ colorScheme: 'light' });

  // the curves need something to show
  await sleep(60000);
  await measured(light);
  await light.evaluate(() => scrollTo(0, 0));
  await shot(light, 'light');
  await shot(light, 'whole', { fullPage: true });

  await light.getByLabel('Group by').selectOption('server,location');
  await light.locator('.canvas canvas').hover({ position: { x: 200, y: 160 } });
  await shot(light.locator('#profiles-part'), 'flame-graph');

  await light.click('#take');
  await until(async () => await light.locator('.tab').count() === 2);
  await light.getByLabel('Compare with').selectOption({ index: 1 });
  await shot(light.locator('#profiles-part'), 'compared');

  for (const kind of ['heap', 'block']) {
    await light.selectOption('#kind', kind);
    await light.click('#take');
    await until(() => light.isHidden('#capture'));
    await sleep(500);
    await shot(light.locator('#profiles-part'), kind);
  }

  await light.click('#list');
  await sleep(1000);
  await light.locator('#connections summary').first().click({ timeout: 1000 })
    .catch(() => {});
  await shot(light.locator('#connections-part'), 'connections');

  const dark = await open({ colorScheme: 'dark' });

  await measured(dark);
  await dark.evaluate(() => scrollTo(0, 0));
  await shot(dark, 'dark');

  const phone = await open({
    viewport: { width: 390, height: 844 }, deviceScaleFactor: 2,
    isMobile: true, hasTouch: true,
  });

  await sleep(1000);
  await shot(phone, 'phone');
  await shot(phone, 'phone-whole', { fullPage: true });

  // a worker that hangs
  const health = async () =>
    (await fetch(`${site}/api/profiling/health`)).json();

  const [{ pid }] = (await health()).workers;

  process.kill(pid, 'SIGSTOP');

  try {
    await until(async () =>
      /unhealthy/.test(await dark.textContent('#health')));
    await sleep(3000);
    await shot(dark, 'stuck');

  } finally {
    process.kill(pid, 'SIGCONT');
  }

} finally {
  await browser?.close();
  children.reverse().forEach((child) => child.kill('SIGTERM'));
}
