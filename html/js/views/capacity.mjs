// A row of gauges of what is nearly full, empty when all is well.

import { $, el, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';

const titles = {
  'connections': 'Connections',
  'descriptors': 'Descriptors',
  'accept queue': 'Accept queue',
  'dropped connections': 'Dropped connections',
  'zone': 'Shared memory',
  'draining': 'Draining',
};

const owner = ({ pid, name }) => name ?? `worker ${pid}`;

function gauge(item) {
  const { kind, level, used, limit, since, text } = item;
  const measured = limit && kind !== 'dropped connections';

  return el('li', { class: `gauge ${level}`, title: text },
    el('strong', {}, titles[kind] ?? kind),
    el('span', { class: 'owner' }, owner(item)),
    measured
      ? el('meter', { min: '0', max: String(limit),
                      value: String(Math.min(used, limit)),
                      'aria-label': text })
      : '',
    el('span', {}, measured
      ? `${format.count(used)} of ${format.count(limit)}`
      : format.count(used)),
    el('span', { class: 'quiet' }, `since ${format.clock(since)}`));
}

let shown = '';

export function showCapacity({ answers: { capacity } }) {
  const list = capacity.full ?? [];
  const now = JSON.stringify(list.map(({ text, ...rest }) => rest));

  putHidden($('full'), !list.length);

  if (now !== shown) {
    shown = now;
    $('full').replaceChildren(...list.map(gauge));
  }
}
