// The buttons of the page, and its start.

import { $ } from './base/dom.mjs';
import { cancel } from './control/capture.mjs';
import './control/crashes.mjs';
import { compare, pick } from './control/past.mjs';
import { forceGc } from './control/collect.mjs';
import { state, update } from './control/page.mjs';
import { poll, schedule } from './control/poll.mjs';
import { heapDump, kindChanged, listConnections, profile, takeProfile }
  from './control/profiles.mjs';
import { asked, scope } from './control/scope.mjs';
import './control/slow.mjs';
import { nextTheme, startTheme } from './control/theme.mjs';
import { showAge } from './views/age.mjs';
import { whenChosen } from './views/workers.mjs';

const on = (id, event, f) => $(id).addEventListener(event, f);

on('pause', 'click', () => {
  update({ paused: !state.paused, failures: 0, errors: [] }, new Set());
  schedule(0);
});

on('gc', 'click', forceGc);
on('heap', 'click', heapDump);
on('cpu', 'click', () => profile('profile', 30, { keep: true }));
on('measure', 'click', () => profile('profile', 5, { go: false }));
on('take', 'click', takeProfile);
on('pick', 'click', pick);
on('before', 'click', compare);
on('kind', 'change', kindChanged);
on('over', 'change', kindChanged);
on('list', 'click', () => listConnections());
on('goroutines', 'click', () => listConnections({ go: true }));
on('cancel', 'click', cancel);
on('theme', 'click', nextTheme);
on('scope-all', 'click', () => scope(null));
on('retry', 'click', () => schedule(0));

whenChosen(scope);
kindChanged();
startTheme();

document.addEventListener('visibilitychange', () => schedule(0));
addEventListener('online', () => schedule(0));
setInterval(() => showAge(state, Date.now()), 1000);

const worker = asked();

if (worker === null) {
  poll();

} else {
  scope(worker);
}
