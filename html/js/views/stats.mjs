// The figures at the top of the page.

import { $, pairs } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { heapPercent } from '../store/store.mjs';
import { note } from './cells.mjs';

const { field } = format;

export function showStats({ answers: { metrics } }) {
  const get = (path, f) => field(metrics, `metrics.${path}`, f);

  const memory = metrics.metrics?.memory;
  const heap = format.percent(heapPercent(memory));
  const inuse = get('memory.heap_inuse', format.bytes);

  pairs($('stats'), [
    ['Memory', get('memory.alloc', format.bytes),
     note(get('memory.sys', format.bytes), ' held, ',
          get('memory.usage_percent', format.percent), ' of limit')],
    ['Connections', get('goroutines', format.count),
     note(get('connections.active', format.count), ' clients, ',
          get('connections.upstream', format.count), ' upstream')],
    ['Pauses', get('gc.num_gc', format.count),
     note(get('gc.pause_percent', format.percent), ' of time, last ',
          get('gc.last_pause_ns', format.nanoseconds))],
    ['Heap usage', heap ? { text: heap } : { ...inuse, text: 'n/a' },
     note(memory?.heap_estimated ? 'about ' : '', inuse, ' of ',
          get('memory.heap_sys', format.bytes))],
    ['Uptime', field(metrics, 'uptime', format.uptime),
     note(get('requests.total', format.count), ' requests')],
    ['Request rate', get('request_rate', format.perSecond),
     note(get('error_rate', format.perSecond), ' errors, p99 ',
          get('requests.latency.p99', format.seconds))],
  ]);
}
