// Flow picture of the live view: the power that grid, sun and battery give to the house, or take from it.

import { h, s, set, write } from './dom.js';
import { power } from './format.js';
import { house, stateOf } from './live.js';
import { sumOf } from './model.js';
import { t } from './text.js';

// Where each of them stands, and the direction of the house from there.
const PLACES = {
  grid: { x: 52, y: 122, turn: 0, far: 108, icon: 'M-9 12 -3-14H3L9 12M-12-8H12M-7 2H7M-9 12 7 2M9 12-7 2' },
  production: { x: 160, y: 30, turn: 90, far: 92, icon: 'M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0M0-13v3M0 10v3M-13 0h3M10 0h3M-9-9l2 2M7 7l2 2M-9 9l2-2M7-7l2-2' },
  storage: { x: 268, y: 122, turn: 180, far: 108, icon: 'M-7-10H7V13H-7ZM-3-10v-3h6v3M-3 7H3M-3 1H3' },
};
const HOUSE = 'M-13 1 0-12 13 1M-9-2V12H9V-2';
const RADIUS = 25;

// Power that is worth a line, in W; and that of the thickest line.
const LEAST = 1;
const MOST = 10_000;

/** @type {(sum: number | null, value: number | null | undefined) => number | null} */
const added = (sum, value) => (sum === null || value === null ? null : sum + (value ?? 0));

// The power of a subject; of one that has nothing else, its reading.
/** @type {(subject: Subject) => Term[] | null} */
const powerOf = ({ power, main }) =>
  power ?? (main?.meaning.quantity === 'power' ? [{ name: main.name, factor: main.meaning.factor ?? 1 }] : null);

// Returns the power that each part gives to the house in W, negative if it takes it; `null` if it is not known now.
/** @type {(main: Subject) => Record<string, number | null | undefined>} */
function flowsOf(main) {
  /** @type {(subject: Subject) => number | null} */
  const live = (subject) =>
    stateOf(subject.section).live ? sumOf(powerOf(subject), house.sections.get(subject.section)?.readings) : null;
  /** @type {(role: Role, given: (watts: number, subject: Subject) => number) => number | null | undefined} */
  const total = (role, given) => {
    const each = house.subjects.filter((each) => each.role === role && powerOf(each));
    const values = each.map((subject) => {
      const watts = live(subject);
      return watts === null ? null : given(watts, subject);
    });
    return values.length ? values.reduce(added, 0) : undefined;
  };
  // What is drawn counts from the grid's side as more than 0: at night an inverter draws some watts, and makes none.
  const production = total('production', (watts, { isNet }) => Math.max(0, isNet ? -watts : watts));
  const storage = total('storage', (watts) => 0 - watts);
  return { grid: live(main), production, storage };
}

// Returns whether there is more to show than the grid.
/** @type {(main: Subject | null) => boolean} */
export const hasFlow = (main) =>
  Boolean(main?.power) && house.subjects.some((each) => each.role === 'production' && powerOf(each) !== null);

/** @param {Subject} main */
export function flow(main) {
  const parts = Object.entries(PLACES).map(([name, place]) => node(name, place));
  const home = place('house', 160, 122, HOUSE);
  const picture = s('svg@flow', { viewBox: '0 0 320 188', role: 'img' });
  picture.append(...parts.flatMap(({ stream }) => stream), ...parts.map(({ element }) => element), home.element);
  return {
    sections: house.subjects.filter(({ role }) => role && role in PLACES).map(({ section }) => section),
    element: h('figure.flows', picture),
    update() {
      const flows = flowsOf(main);
      const said = parts.flatMap((part) => part.update(flows[part.name]) ?? []);
      const used = Object.values(flows).reduce(added, 0);
      const text = used == null ? '–' : power(Math.max(0, used));
      write(home.value, text);
      write(home.title, t('home'));
      set(picture, { 'aria-label': [...said, `${t('home')}: ${text}`].join(', ') });
    },
  };
}

// A circle with a picture; below it its value, and what it is.
/** @type {(name: string, x: number, y: number, icon: string) => Record<'element' | 'value' | 'title', SVGElement>} */
function place(name, x, y, icon) {
  const [value, title] = [s('text.value', { y: RADIUS + 18 }), s('text', { y: RADIUS + 33 })];
  const element = s(`g.place.of-${name}`, { transform: `translate(${x} ${y})` }, s('circle', { r: RADIUS }), s('path', { d: icon }));
  element.append(value, title);
  return { element, value, title };
}

/** @type {(name: string, place: (typeof PLACES)['grid']) => any} */
function node(name, { x, y, turn, far, icon }) {
  const { element, value, title } = place(name, x, y, icon);
  // There is no room below the sun: the line to the house goes there.
  if (turn === 90) {
    set(value, { x: RADIUS + 8, y: -2, class: 'value aside' });
    set(title, { x: RADIUS + 8, y: 14, class: 'aside' });
  }
  const line = s('line', { x1: RADIUS, x2: far - RADIUS });
  const arrow = s('path', { d: 'M-5-7 5 0-5 7' });
  const stream = s(`g.stream.of-${name}`, { transform: `translate(${x} ${y}) rotate(${turn})` }, line, arrow);
  return {
    name,
    element,
    stream,
    // Returns what is shown, in words; nothing if there is no such part.
    /** @param {number | null | undefined} watts */
    update(watts) {
      for (const each of [element, stream]) set(each, { visibility: watts === undefined ? 'hidden' : null });
      if (watts === undefined) return null;
      const way = !(Math.abs(watts ?? 0) >= LEAST) ? 'none' : Number(watts) > 0 ? 'in' : 'out';
      const thick = way === 'none' ? 1.5 : 2 + 8 * Math.sqrt(Math.min(1, Math.abs(watts ?? 0) / MOST));
      set(line, { 'stroke-width': thick.toFixed(1) });
      set(stream, { 'data-way': way, 'data-test': `flow-${name}` });
      set(arrow, { transform: `translate(${far / 2} 0) rotate(${way === 'out' ? 180 : 0})` });
      const text = watts === null ? '–' : power(Math.abs(watts));
      write(value, text);
      write(title, t(`flow_${name}_${way}`));
      return `${title.textContent}: ${text}`;
    },
  };
}
