// A report of a worker that died is asked for when it is opened, and copied by
// its button.

import { $ } from '../base/dom.mjs';
import { api, say } from './page.mjs';

async function open(details) {
  const text = details.querySelector('pre');

  if (!details.open || text.textContent) {
    return;
  }

  try {
    const { bytes } = await api.download(
      `api/profiling/crashes/${details.dataset.report}?format=text`);

    text.textContent = new TextDecoder().decode(bytes);

  } catch ({ message }) {
    say(`The report cannot be shown: ${message}`);
  }
}

// the event does not bubble
$('crashes').addEventListener('toggle', ({ target }) => open(target), true);

$('crashes').addEventListener('click', async ({ target }) => {
  const text = target.closest('button')?.parentNode.querySelector('pre');

  if (!text) {
    return;
  }

  try {
    await navigator.clipboard.writeText(text.textContent);
    say('The report was copied.');

  } catch {
    // without a clipboard, on a page that is not secure: it is selected
    getSelection().selectAllChildren(text);
    say('The report is selected: copy it by keyboard.');
  }
});
