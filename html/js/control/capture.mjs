// Captures: one at a time, with its progress, and a button that ends it.

import { $ } from '../base/dom.mjs';
import * as format from '../base/format.mjs';

let running = null;

const buttons = ['heap', 'cpu', 'measure', 'take'];

function show(label, seconds) {
  $('capture').hidden = !label;
  buttons.forEach((id) => $(id).setAttribute('aria-disabled', Boolean(label)));
  $('capture-text').textContent = label ? `${label}: running` : '';

  if (seconds) {
    $('progress').max = seconds;
    $('progress').value = 0;

  } else {
    $('progress').removeAttribute('value');
  }
}

// What the server sends for "path": {name, bytes}; or null when one runs
// already or this one was cancelled.  "say" is told how it ended.

export async function capture(api, { path, label, seconds }, say) {
  if (running) {
    say('Another capture is running: cancel it first');
    return null;
  }

  const last = document.activeElement;

  running = new AbortController();
  show(label, seconds);
  say(`${label}: running`);

  const started = performance.now();

  const clock = seconds && setInterval(() => {
    const passed = (performance.now() - started) / 1e3;

    $('progress').value = passed;
    $('capture-text').textContent = passed < seconds
      ? `${label}: ${format.count(seconds - passed)} s left`
      : `${label}: looking up function names`;
  }, 250);

  try {
    const file = await api.download(path, running.signal);

    say(`${label}: done`);

    return file;

  } catch (error) {
    say(running.signal.aborted ? `${label}: cancelled`
                               : `${label} failed: ${error.message}`);
    return null;

  } finally {
    clearInterval(clock);

    // Cancel is about to go, and may have the focus
    if (document.activeElement === $('cancel')) {
      last?.focus();
    }

    running = null;
    show(null);
  }
}

export const cancel = () => running?.abort();
