// The captures of this visit, to choose from and to forget.

import { children, el, put } from '../base/dom.mjs';
import { title } from './texts.mjs';

// "choose" and "remove" are called with the index of a capture

export function createTabs({ choose, remove }) {
  const node = el('div', { class: 'tabs', role: 'group',
                           'aria-label': 'Captures' });

  const index = (button) => [...node.children].indexOf(button.parentNode);

  const make = () => el('span', { class: 'tab' },
    el('button', { onclick: ({ currentTarget: b }) => choose(index(b)) }),
    el('button', { class: 'link',
                   onclick: ({ currentTarget: b }) => remove(index(b)) }, '✕'));

  return {
    node,

    show(captures, current) {
      children(node, captures, make).forEach(({ children: [tab, gone] }, i) => {
        const name = title(captures[i]);

        put(tab, { text: name });
        tab.setAttribute('aria-pressed', captures[i] === current);
        gone.setAttribute('aria-label', `Forget ${name}`);
      });
    },
  };
}
