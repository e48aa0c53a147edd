// How old is what the page shows, and why.

import { $, put, putHidden } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { showStatus } from './health.mjs';

// Also called when no answer came; "now" is in ms.

export function showAge({ errors, updated, paused, worker, down }, now) {
  const why = errors.join('; ');
  const age = format.uptime((now - updated) / 1e3);

  putHidden($('banner'), !why);
  put($('banner-text'), { text: why && `▲ No data from the server: ${why}` });
  put($('banner-age'), {
    text: updated ? `The figures below are ${age} old.` : '',
  });

  if (down) {
    showStatus('unknown', 'unknown');
  }

  put($('poll'), {
    text: updated ? (paused ? 'paused ' : 'updated ')
                    + format.clock(updated) : '',
  });

  put($('pause'), { text: paused ? 'Resume' : 'Pause' });
  putHidden($('scope'), worker === null);
  put($('scope-text'), { text: `Only worker ${worker}` });
}
