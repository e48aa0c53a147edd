// The parts of a slow request are asked for when they are opened; another order
// is asked of the server.

import { $ } from '../base/dom.mjs';
import { showParts, whenSorted } from '../views/slow.mjs';
import { api, say } from './page.mjs';
import { schedule } from './poll.mjs';

async function open(details) {
  const box = details.querySelector('.box');
  const { slow } = details.dataset;

  if (!details.open || !slow || box.dataset.shown === slow) {
    return;
  }

  try {
    showParts(box, await api.get(`slow/${slow}`));
    box.dataset.shown = slow;

  } catch ({ message }) {
    say(`The request cannot be shown: ${message}`);
  }
}

// the event does not bubble
$('slow').addEventListener('toggle', ({ target }) => open(target), true);

whenSorted(() => schedule(0));
