// Versions, counters since the start, and the settings in force.

import { $, pairs } from '../base/dom.mjs';
import * as format from '../base/format.mjs';

const { field } = format;

const units = {
  bytes: format.bytes,
  ms: format.milliseconds,
  percent: format.percent,
};

export function showRuntime({ answers: { runtime, metrics } }) {
  const settings = Object.keys(runtime.settings ?? {}).map((key) => {
    const unit = key.split('_').pop();
    const bare = key.slice(0, -unit.length - 1);

    return [!Object.hasOwn(units, unit) ? key
              : Object.hasOwn(runtime.settings, bare) ? `${bare} size` : bare,
            `settings.${key}`, units[unit]];
  });

  const rows = [
    ['nginx', 'nginx_version'],
    ['module', 'module_version'],
    ['openssl', 'openssl_version'],
    ['pcre', 'pcre_version'],
    ['zlib', 'zlib_version'],
    ['allocator', 'allocator'],
    ['processors', 'num_cpu', format.count],
    ['thread pool tasks', 'num_cgo_call', format.count],
    ['requests', 'request_count', format.count],
    ['errors', 'error_count', format.count],
    ['mean request rate', 'request_rate_mean', format.perSecond],
    ['mean error rate', 'error_rate_mean', format.perSecond],
    ['started', 'start_time', format.date],
    ['reloaded', 'reload_time', (value) => format.date(value) ?? 'never'],
    ['generation', 'generation', format.count],
  ];

  const collect = field(metrics ?? {}, 'overhead.collect_ns',
                        format.nanoseconds);

  pairs($('runtime'), [
    ...rows.map(([name, path, f]) => [name, field(runtime, path, f)]),
    ...(metrics?.overhead ? [['time of one collection', collect]] : []),
  ]);

  pairs($('settings'), settings.map(([name, path, f]) =>
    [name.replace('profiling_', '').replaceAll('_', ' '), field(runtime, path, f)]));
}
