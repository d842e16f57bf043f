// What the history can show: the subjects, and for each one its power and amounts, its phases, voltages, tariffs, and
// every other reading.

import { house, saidOf } from './live.js';
import { arranged, describe, labelOf, mainOf, subjectsOf } from './model.js';
import { known, t } from './text.js';

/**
 * A choice beside power and amounts: lines of a course, or counters whose amounts are stacked.
 * @typedef {object} Choice
 * @property {string} key as in an address
 * @property {string} text
 * @property {string} unit
 * @property {{text: string, terms: Term[]}[]} lines
 * @property {boolean} counts
 */
/** @typedef {Entry & {from: number, to: number}} Recorded */

// The recorded readings of each section, by the unit that they have now.
function recorded() {
  /** @type {Map<string, Map<string, Recorded>>} */
  const sections = new Map();
  for (const series of /** @type {Series[]} */ (house.series ?? [])) {
    const entries = sections.get(series.section) ?? new Map();
    sections.set(series.section, entries);
    const other = entries.get(series.name);
    const from = Math.min(Date.parse(series.from), other ? other.from : Infinity);
    // A name that had several units counts by the one that it has now.
    const newest = !other || Date.parse(series.to) >= other.to ? series : other;
    const to = typeof newest.to === 'number' ? newest.to : Date.parse(newest.to);
    entries.set(series.name, { name: series.name, meaning: newest.meaning, from, to });
  }
  return sections;
}

/**
 * Returns the subjects of the history, the main one first.
 * @returns {Subject[]}
 */
export function subjectsOfHistory() {
  const sections = recorded();
  const order = Object.keys(house.health?.sources ?? {});
  /** @type {(name: string) => number} */
  const place = (name) => order.indexOf(name) + 1 || Infinity;
  const names = [...sections.keys()].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  const all = names.flatMap((name) => {
    const entries = [...(sections.get(name)?.values() ?? [])];
    const first = Math.min(...entries.map(({ from }) => from));
    return subjectsOf(name, entries).map((subject) => ({ ...subject, first }));
  });
  const subjects = /** @type {Subject[]} */ (arranged(all, saidOf));
  const main = mainOf(subjects);
  return main ? [main, ...subjects.filter((subject) => subject !== main)] : subjects;
}

/**
 * Returns what else of a subject can be shown.
 * @param {Subject} subject
 * @returns {Choice[]}
 */
export function choicesOf(subject) {
  const entries = [...(recorded().get(subject.section)?.values() ?? [])];
  /** @type {(key: string, sums: (Term[] | null)[] | undefined, unit: string) => Choice[]} */
  const phased = (key, sums, unit) => {
    const lines = ['L1', 'L2', 'L3'].flatMap((text, i) => (sums?.[i] ? [{ text, terms: sums[i] }] : []));
    return lines.length ? [{ key, text: t(key), unit, lines, counts: false }] : [];
  };
  const tariffs = entries
    .filter(({ meaning }) => meaning.kind === 'counter' && meaning.quantity === 'energy' && meaning.live)
    .filter(({ meaning }) => meaning.tariff && meaning.factor);
  const lines = tariffs.map(({ name, meaning }) => ({
    text: describe(meaning) ?? name,
    terms: [{ name, factor: (meaning.factor ?? 0) / 3.6e6 }],
  }));
  const isElectric = subject.kind === 'electricity';
  // What is shown already, by itself or with others.
  const sums = [subject.power, ...(subject.phases ?? []), ...(subject.voltages ?? [])];
  const taken = new Set(sums.flatMap((terms) => (terms ?? []).map(({ name }) => name)));
  const others = entries
    .filter(({ name, meaning }) => meaning.kind !== 'counter' && name !== subject.main?.name && meaning.unit)
    .filter(({ name }) => !taken.has(name))
    .map(({ name, meaning }) => ({
      key: name,
      text: describe(meaning) ?? name,
      unit: meaning.unit,
      lines: [{ text: name, terms: [{ name, factor: 1 }] }],
      counts: false,
    }));
  /** @type {(choice: Choice) => boolean} */
  const isUnique = ({ text }) => others.filter((other) => other.text === text).length === 1;
  return [
    ...(isElectric ? phased('phases', subject.phases, 'W') : []),
    ...(isElectric ? phased('voltages', subject.voltages, 'V') : []),
    ...(isElectric && lines.length > 1 ? [{ key: 'tariffs', text: t('by_tariff'), unit: 'kWh', lines, counts: true }] : []),
    ...others.map((choice) => (isUnique(choice) ? choice : { ...choice, text: known(choice.key) ?? `${choice.text} (${choice.key})` })),
  ];
}

/** @type {(subjects: Subject[]) => {value: string, text: string}[]} */
export const optionsOf = (subjects) => subjects.map((subject) => ({ value: subject.key, text: labelOf(subject) }));
