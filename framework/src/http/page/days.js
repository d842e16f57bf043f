// What the views of the household share: days in words, the form that asks for a span of them, their heading, their CSV.

import { dayOf, localDay, valid } from './calendar.js';
import { button, h, on, set } from './dom.js';
import { DATE, exact, formatter, moment, parts } from './format.js';
import { now } from './live.js';
import { loadTexts, t } from './text.js';

// Everything that uses this module is a view of the household.
await loadTexts('household');

export const today = () => localDay(now());

/** @type {(day: string) => string} */
export const named = (day) => formatter(DATE, 'UTC').format(Date.parse(day));

// Names a month, from any day in it.
/** @type {(day: string) => string} */
export const month = (day) => formatter({ month: 'long', year: 'numeric' }, 'UTC').format(Date.parse(day));

// The months and the year that are asked for most, as spans of days: the last day belongs to them.
/** @returns {Record<string, [string, string]>} */
export function spans() {
  const { year, month } = parts(now());
  return {
    this_month: [dayOf(year, month), dayOf(year, month + 1, 0)],
    last_month: [dayOf(year, month - 1), dayOf(year, month, 0)],
    this_year: [dayOf(year), dayOf(year, 12, 31)],
    last_year: [dayOf(year - 1), dayOf(year - 1, 12, 31)],
  };
}

// A labelled field of a form; `id` is also its hook for tests.
/** @type {(id: string, label: string, attributes: Attributes) => {input: HTMLInputElement, element: HTMLElement}} */
export function field(id, label, attributes) {
  const input = /** @type {HTMLInputElement} */ (h(`input@${id}`, { id, ...attributes }));
  return { input, element: h('div.field', h('label', { for: id }, label), input) };
}

// A field for a day.
/** @typedef {{element: HTMLElement, set: (day: string | null) => unknown, get: () => string | null}} DayField */
/** @type {(id: string, label: string, changed: () => unknown) => DayField} */
export function dayField(id, label, changed) {
  const { input, element } = field(id, label, { type: 'date', min: '2000-01-01', max: '2099-12-31' });
  on(input, 'change', changed);
  return { element, set: (day) => (input.value = day ?? ''), get: () => valid(input.value) };
}

// Buttons that fill a form in: `{name: [text, handler]}`.
/** @type {(form: string, entries: Record<string, [string, () => unknown]>) => HTMLElement} */
export const shortcuts = (form, entries) =>
  h('p.shortcuts', Object.entries(entries).map(([name, [text, handler]]) => button(`${form}-${name}`, text, handler)));

// The parts of the view of the household, each at its address.
const PLACES = ['readings', 'costs', 'insights'];

// Heading of a part, with the links to all of them.
/** @type {(chosen: string) => HTMLElement[]} */
export function heading(chosen) {
  /** @type {(name: string) => HTMLElement} */
  const link = (name) =>
    set(h(`a@to-${name}`, { href: `#${name}` }, t(name)), { 'aria-current': name === chosen ? 'page' : null });
  return [h('nav.chips.places', { 'aria-label': t('household') }, PLACES.map(link)), h('h1.unseen', t(chosen))];
}

/** @type {(swap: Swap, unit: string) => string} */
export const swapText = ({ time, from, to }, unit) => t('meter_swapped', { time: moment(time, now()), from: exact(from, unit), to: exact(to, unit) });

/** @typedef {import('./take.js').Cell} Cell */
// Button that saves what a view shows: its heads, and its rows when it is pressed.
/** @type {(view: string, of: string, table: () => [string[], Cell[][]]) => HTMLElement} */
export function takeCsv(view, of, table) {
  const name = `${t(view)}-${of}`;
  const save = async () => (await import('./take.js')).saveCsv(name, ...table());
  const taken = button(`csv-${view}`, 'CSV', save, { 'aria-label': t('take_label', { name: t(view), kind: 'CSV' }) });
  return h('p.take', t('take'), taken);
}

// Card that says why there is nothing to show.
/** @type {(test: string, text: string) => HTMLElement} */
export const notice = (test, text) => h(`p.card.hint@${test}`, { role: 'status' }, text);
