// What the page loads when a profile or the list of connections is wanted.

import { $ } from '../base/dom.mjs';
import { createConnections } from './connections.mjs';
import { createPanel } from './panel.mjs';

export function start({ api, say, measured }) {
  return {
    panel: createPanel($('profiles'), { say, measured }),
    connections: createConnections($('connections'), { api }),
  };
}
