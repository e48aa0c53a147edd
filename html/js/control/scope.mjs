// One worker alone, or all of them: the address of the page tells which.

import { restart, whenGone } from './poll.mjs';
import { say, state, store } from './page.mjs';

// "worker" is a pid, or null for all

export function scope(worker) {
  const url = new URL(location.href);

  if (worker === null) {
    url.searchParams.delete('worker');

  } else {
    url.searchParams.set('worker', worker);
  }

  history.replaceState(null, '', url);

  store.set({ worker, history: [], rates: new Map(), ended: new Map(),
              cpu: null });
  restart();
}

// The worker that the address names, or null

export function asked() {
  const pid = new URL(location.href).searchParams.get('worker');

  return /^\d+$/.test(pid) ? Number(pid) : null;
}

whenGone(() => {
  say(`Worker ${state.worker} is gone: all workers are shown`);
  scope(null);
});
