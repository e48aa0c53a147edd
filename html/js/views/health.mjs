// Health: on the page, in its title, as its icon.

import { $, children, el, put, putAttribute, putClass, putHidden }
  from '../base/dom.mjs';
import { known, look, shape } from './status.mjs';

export function showStatus(status, icon) {
  put($('health'), { text: shape(status) });
  putClass($('health'), `status ${look(status)}`);
  put($('title'), { text: `${shape(status)} – nginx performance` });
  putAttribute($('icon'), 'href', `icons/${icon}.svg`);
}

export function showHealth({ answers: { health } }) {
  const issues = (health.issues ?? []).map(String);

  if (health.more_issues > 0) {
    issues.push(`and ${health.more_issues} more`);
  }

  showStatus(health.status, known(health.status) ? health.status : 'unknown');
  putClass($('issues'), `banner ${look(health.status)}-edge`);
  putHidden($('issues'), !issues.length);
  children($('issues'), issues, () => el('li'))
    .forEach((item, i) => put(item, { text: issues[i] }));
}
