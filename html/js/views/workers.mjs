// A row for each worker.

import { $, el, put, putAttribute, putClass } from '../base/dom.mjs';
import * as format from '../base/format.mjs';
import { restarted } from '../store/store.mjs';
import { bar } from './cells.mjs';
import { look, shape } from './status.mjs';
import { createTable } from './table.mjs';

const { field } = format;

let workers;
let onWorker;

// "f" is called with the pid of a worker that is to be shown alone

export const whenChosen = (f) => {
  onWorker = f;
};

function workerState(cell, item) {
  if (!cell.firstElementChild) {
    cell.append(el('span'), el('small'));
  }

  const { state, since, silent } = item;
  const ago = format.uptime(since / 1e3);

  put(cell.firstElementChild, { text: shape(state) });
  putClass(cell.firstElementChild, `status ${look(state)}`);
  put(cell.lastElementChild, {
    text: state === 'stuck'
            ? ` silent for ${format.seconds(silent) ?? 'n/a'}, figures are older`
        : item.ended ? ` ${ago} ago`
        : item.again ? ` restarted ${ago} ago`
        : state === 'draining' ? ' old generation' : '',
    title: item.issue ?? '',
  });
}

function workerPid(cell, { pid, ended }) {
  if (!cell.firstElementChild) {
    cell.append(el('button', { class: 'link' }));
  }

  const button = cell.firstElementChild;

  put(button, { text: String(pid), title: 'Show only this worker' });
  putAttribute(button, 'aria-label', `Show worker ${pid} alone`);
  button.disabled = Boolean(ended);
}

const workerColumns = [
  { title: 'PID', path: 'pid', left: true, render: workerPid },
  { title: 'State', path: 'state', left: true, render: workerState },
  { title: 'Gen', path: 'generation', format: format.count,
    hint: 'Generation: grows with each reload' },
  { title: 'CPU', path: 'cpu.usage_percent', format: format.percent,
    render: (cell, item, answer) => bar(cell, item.cpu?.usage_percent / 100,
      field(item, 'cpu.usage_percent', format.percent, answer)),
    hint: 'Of one processor, over the last interval' },
  { title: 'Memory', path: 'memory.sys', format: format.bytes,
    hint: 'Memory that the worker holds from the operating system' },
  { title: 'Connections', path: 'goroutines', format: format.count },
  { title: 'Requests', path: 'requests.total', format: format.count },
  { title: 'Rate', path: 'request_rate', format: format.perSecond,
    hint: 'Requests a second over the last interval' },
  { title: 'p99', path: 'requests.latency.p99', format: format.seconds,
    hint: '99 of 100 requests took no longer' },
  { title: 'Loop busy', path: 'event_loop.utilization',
    render: (cell, item, answer) => bar(cell, item.event_loop?.utilization,
      field(item, 'event_loop.utilization', format.fraction, answer)),
    hint: 'Share of the time in which the event loop worked' },
  { title: 'Pass p99', path: 'event_loop.latency.p99', format: format.seconds,
    hint: '99 of 100 passes of the event loop took no longer' },
  { title: 'Pauses', path: 'gc.num_gc', format: format.count,
    hint: 'Passes of the event loop longer than profiling_pause_threshold' },
];

const replaces = (worker, ended) => [...ended.values()].some((gone) =>
  gone.state === 'died' && gone.worker === worker.worker
  && gone.generation === worker.generation);

export function showWorkers(state) {
  const { metrics, health, runtime } = state.answers;
  const now = Date.parse(metrics.timestamp);
  const issues = health?.issues ?? [];

  // health is asked for after this, and so is of the update before
  const later = Math.max(0, now - Date.parse(health?.timestamp)) / 1e3 || 0;

  const silent = new Map((health?.workers ?? []).map((w) =>
    [w.pid, w.silent_seconds + later]));

  const rows = (metrics.workers ?? []).map((worker) => {
    // one that took the place of another that was seen to die, or of one that
    // died before this page was opened
    const again = replaces(worker, state.ended)
      ? Math.max(0, now - Date.parse(worker.started))
      : restarted(worker, runtime, now);

    return {
      ...worker,
      again: again !== null && again < 600000,
      since: again,
      silent: silent.get(worker.pid),
      issue: issues.find((text) => String(text).includes(worker.pid)),
    };
  });

  rows.sort((a, b) => b.generation - a.generation || a.worker - b.worker);

  for (const gone of state.ended.values()) {
    rows.push({ ...gone, since: now - gone.ended });
  }

  workers ??= createTable($('workers'), {
    columns: workerColumns,
    key: ({ pid }) => pid,
    row: (tr, { pid, ended, state }) => {
      tr.onclick = ended ? null : () => onWorker(pid);
      putClass(tr, ended ? 'quiet' : state === 'stuck' ? 'pick old' : 'pick');
    },
  });

  workers.show(rows, metrics);
}
