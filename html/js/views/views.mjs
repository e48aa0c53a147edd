// State to document.

import { showCaches } from './caches.mjs';
import { showCapacity } from './capacity.mjs';
import { showCharts, showCurves, showIncidentMarks, showMarks }
  from './charts.mjs';
import { showCrashes } from './crashes.mjs';
import { showHealth } from './health.mjs';
import { showHeat } from './heat.mjs';
import { showIncidents } from './incidents.mjs';
import { showLocations } from './locations.mjs';
import { showModules } from './modules.mjs';
import { showPauses } from './pauses.mjs';
import { showProcesses } from './processes.mjs';
import { showReloads } from './reloads.mjs';
import { showRuntime } from './runtime.mjs';
import { showSlow } from './slow.mjs';
import { showStats } from './stats.mjs';
import { showTls } from './tls.mjs';
import { showUpstreams } from './upstreams.mjs';
import { showWorkers } from './workers.mjs';

const views = [
  ['metrics', showStats],
  ['history', ({ answers, history }) => {
    showCharts(answers.history, history);
    showCurves(answers.metrics?.workers ?? [], history.at(-1));
  }],
  ['health', showHealth],
  ['capacity', showCapacity],
  ['metrics', showWorkers],
  ['metrics', showProcesses],
  ['locations', showLocations],
  ['upstreams', showUpstreams],
  ['tls', showTls],
  ['caches', showCaches],
  ['modules', showModules],
  ['reloads', showReloads],
  ['timeline', showHeat],
  ['timeline', (state) => state.answers.locations && showLocations(state)],
  ['incidents', showIncidents],
  ['incidents', showIncidentMarks],
  ['gc', showPauses],
  ['slow', showSlow],
  ['crashes', showCrashes],
  ['crashes', showMarks],
  ['runtime', showRuntime],
];

// "names": of the answers that are new; all of them without it

export function show(state, names) {
  views.forEach(([name, view]) =>
    state.answers[name] && (!names || names.has(name)) && view(state));

  document.body.classList.toggle('waiting', !state.answers.metrics);
}
