// Force GC.

import { $ } from '../base/dom.mjs';
import { field, megabytes, milliseconds } from '../base/format.mjs';
import { schedule } from './poll.mjs';
import { api, say } from './page.mjs';

export async function forceGc() {
  if ($('gc').getAttribute('aria-disabled') === 'true') {
    return;
  }

  $('gc').setAttribute('aria-disabled', true);
  say('Force GC: running');

  try {
    const answer = await api.post('force-gc');
    const get = (name, format) => field(answer, name, format).text;

    say(`Force GC: ${answer.success ? 'done' : 'not done by all workers'} in `
        + `${get('gc_duration_ms', milliseconds)}, `
        + `${get('heap_freed_mb', megabytes)} freed, `
        + `${get('heap_alloc_mb', megabytes)} in use`);

  } catch (error) {
    say(`Force GC failed: ${error.message}`);
  }

  $('gc').setAttribute('aria-disabled', false);
  schedule(0);
}
