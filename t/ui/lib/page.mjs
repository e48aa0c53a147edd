// What the tests of the page in a browser read from it, and do to it.

import assert from 'node:assert/strict';

import { axe } from './site.mjs';

export const rowOf = (page, table, name) =>
  page.locator(`#${table} tbody tr`).filter({ hasText: name }).first();

export const cells = (page, table) => page.locator(`#${table} tbody tr`)
  .evaluateAll((rows) => rows.map((row) =>
    [...row.cells].map((cell) => cell.textContent.trim())));

export const pairsOf = (page, id) => page.locator(`#${id} > div`)
  .evaluateAll((all) => Object.fromEntries(all.map((div) =>
    [div.children[0].textContent, div.children[1].textContent])));

export const press = (page, name) => page.getByRole('button', { name }).click();

// Captures are asked for with another time than the buttons say
export const hasten = (page) => page.route(/seconds=\d+|duration=\d+/, (route) =>
  route.continue({
    url: route.request().url().replace(/(seconds|duration)=\d+/, '$1=1'),
  }));

export async function clean(page) {
  await page.evaluate(axe);

  const { violations } = await page.evaluate(() => window.axe.run());

  assert.deepEqual(violations.map(({ id, nodes }) =>
    `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
}
