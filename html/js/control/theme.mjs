// Colours: as the system has them, light, or dark.

import { $, forgetColours } from '../base/dom.mjs';
import { repaint } from '../views/charts.mjs';
import { repaintHeat } from '../views/heat.mjs';
import { repaintProfiles } from './profiles.mjs';

const themes = ['Auto', 'Light', 'Dark'];

export function paint(theme) {
  document.documentElement.dataset.theme = theme.toLowerCase();
  $('theme').textContent = `Colours: ${theme.toLowerCase()}`;
  $('theme').value = theme;
  forgetColours();
  repaint();
  repaintHeat();
  repaintProfiles();
}

// storage may be forbidden
const remembered = {
  get() {
    try {
      return localStorage.getItem('theme');

    } catch {
      return null;
    }
  },
  set(theme) {
    try {
      localStorage.setItem('theme', theme);

    } catch {
      // it lasts as long as the page does
    }
  },
};

export function nextTheme() {
  const i = themes.indexOf($('theme').value);
  const theme = themes[(i + 1) % themes.length];

  remembered.set(theme);
  paint(theme);
}

export function startTheme() {
  paint(themes.includes(remembered.get()) ? remembered.get() : 'Auto');

  matchMedia('(prefers-color-scheme: dark)')
    .addEventListener('change', () => paint($('theme').value));
}
