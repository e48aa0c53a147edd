// A browser that nobody watches but who asks for it: playwright follows every
// request and frame, which the browser does as part of the page's script.

import { spawn } from 'node:child_process';

import { end, root } from './site.mjs';

// {send(method, params), on(method, f), close()} of a page that is at no address

export async function bare() {
  const child = spawn('/usr/bin/chromium', [
    '--headless', '--no-sandbox', '--disable-dev-shm-usage', '--no-first-run',
    '--remote-debugging-pipe', '--window-size=1280,900',
    `--user-data-dir=${root}/browser`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });

  const [, , , input, output] = child.stdio;
  const waiting = new Map();
  const listeners = new Map();
  let last = 0;
  let rest = '';

  const take = ({ id, result, error, method, params }) => {
    if (!id) {
      listeners.get(method)?.(params);
      return;
    }

    const { resolve, reject } = waiting.get(id);

    waiting.delete(id);
    (error ? reject : resolve)(error ? new Error(error.message) : result);
  };

  // messages are JSON, each with a zero byte after it
  output.setEncoding('utf8');
  output.on('data', (text) => {
    const parts = (rest + text).split('\0');

    rest = parts.pop();
    parts.forEach((part) => take(JSON.parse(part)));
  });

  const ask = (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      input.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });

  const { targetId } = await ask('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await ask('Target.attachToTarget',
                                  { targetId, flatten: true });

  return {
    send: (method, params = {}) => ask(method, params, sessionId),
    on: (method, f) => listeners.set(method, f),

    close: () => end(child, () => ask('Browser.close').catch(() => {})),
  };
}
