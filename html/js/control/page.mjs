// What all that asks the server shares: the state, and the way to it.

import { $ } from '../base/dom.mjs';
import { connect } from '../fetch/api.mjs';
import { createStore } from '../store/store.mjs';
import { showAge } from '../views/age.mjs';
import { show } from '../views/views.mjs';

let fresh = null;   // names of the answers to show

export const store = createStore((now) => {
  show(now, fresh);

  // the last of an update tells its age
  if (!fresh?.size) {
    showAge(now, Date.now());
  }
});

export const { state } = store;

// the API lies beside the page, whatever path both are below
export const api = connect(new URL('../', document.baseURI),
                           () => state.worker);

export const say = (text) => {
  $('message').textContent = text;
};

export const update = (patch, names) => {
  fresh = names;
  store.set(patch);
  fresh = null;
};
