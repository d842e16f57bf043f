// What is seen of the page without opening it: its name, and the power in the title and in the icon of its tab.

import { set, write } from './dom.js';
import { power, time } from './format.js';
import { house, onChange, stateOf } from './live.js';
import { mainOf, sumOf, wayOf, WORDS_OF_WAYS } from './model.js';
import { t } from './text.js';

const icon = /** @type {Element} */ (document.querySelector('link[rel="icon"]'));
const brand = /** @type {Element} */ (document.querySelector('[data-test="household"]'));

let view = '';

export function start() {
  onChange(update);
  document.addEventListener('visibilitychange', update);
}

// Takes the title of the view that is shown.
/** @param {string} text */
export function entitle(text) {
  view = text;
  update();
}

// A hidden tab gets no numbers: its title has the time of the last one, and its icon tells nothing.
function update() {
  const name = house.health?.name || 'smartmeter';
  write(brand, name);
  const { flow, text } = shown(mainOf(house.subjects));
  const title = [text, `${view} – ${name}`].filter(Boolean).join(' · ');
  if (document.title !== title) document.title = title;
  set(icon, { href: `page/icon${flow ? `-${flow}` : ''}.svg` });
}

/** @type {(main: Subject | null) => {flow?: keyof typeof WORDS_OF_WAYS, text?: string}} */
function shown(main) {
  const section = main && house.sections.get(main.section);
  if (!section || !main.power) return {};
  const value = sumOf(main.power, section.readings);
  if (value === null || !stateOf(main.section).live) return { flow: 'none' };
  if (document.hidden) return { flow: 'none', text: `${time(section.time)}: ${power(value)}` };
  const flow = wayOf(value);
  return { flow, text: `${power(Math.abs(value))} ${t(WORDS_OF_WAYS[flow])}` };
}
