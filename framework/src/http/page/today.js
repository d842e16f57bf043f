// Consumption of today and yesterday, and power of the last hour: from the history, then continued live.

import { setZone } from './format.js';
import { house, now, readSeries } from './live.js';
import { sumOf } from './model.js';
import { consumption, course } from './query.js';

const EVERY = 5 * 60_000;
const SOON = 30_000;
// More than a household draws, in kW, and in cubic metres an hour.
const MOST = 100;
const MINUTE = 60_000;
const MINUTES = 60;
/** @typedef {'imports' | 'exports'} Side */
/** @type {Side[]} */
export const SIDES = ['imports', 'exports'];
/** @typedef {{value: Value, guess: boolean, since: number | null}} Day */
/** @type {Day} */
const NOTHING = { value: null, guess: false, since: null };

// key of a subject → what was counted
/** @typedef {{today: Day, before: Day, base: Value, at: number}} Counted */
/** @type {Map<string, Partial<Record<Side, Counted>>>} */
const counted = new Map();
let due = 0;
let ends = Infinity;

// Returns what the history has of a sum: its parts.
/** @type {(subject: Subject, key: Side | 'power') => Series[]} */
const recordsOf = ({ section, ...sums }, key) =>
  (sums[key] ?? []).flatMap(({ name }) => house.series?.find((one) => one.section === section && one.name === name) ?? []);

// Returns whether the history has all parts of a sum: unknown ones are not requested.
/** @type {(subject: Subject, key: Side | 'power') => boolean} */
const recorded = (subject, key) => recordsOf(subject, key).length === subject[key]?.length;

// Requests the totals now and then, at midnight, and after a start.
export async function refresh(force = false) {
  if (!house.series || (!force && now() < Math.min(due, ends))) return;
  ends = Infinity;
  due = now() + EVERY;
  if (house.historyError) {
    due = now() + SOON;
    await readSeries();
  }
  if (!house.series.length) return;
  // A source that has just started may not be in the list yet.
  /** @type {(subject: Subject) => boolean} */
  const isNew = (subject) => SIDES.some((side) => subject[side] && !recorded(subject, side));
  if (house.subjects.some(isNew)) {
    due = now() + SOON;
    await readSeries();
  }
  const known = new Set(house.subjects.map(({ key }) => key));
  for (const key of counted.keys()) if (!known.has(key)) counted.delete(key);
  await Promise.allSettled(
    house.subjects.map(async (subject) => {
      /** @type {Partial<Record<Side, Counted>>} */
      const entry = {};
      for (const side of SIDES) {
        const terms = subject[side];
        if (!terms || !recorded(subject, side)) continue;
        const days = await consumption(subject.section, terms, 'from=-24h&per=day');
        if (!days.amount.length) continue;
        setZone(days.zone);
        ends = days.end.at(-1) ?? Infinity;
        const base = sumOf(terms, house.sections.get(subject.section)?.readings);
        /** @type {(i: number) => Day} */
        const day = (i) => ({ value: days.amount.at(i) ?? null, guess: days.gap.at(i) ?? false, since: null });
        const since = Math.max(...recordsOf(subject, side).map(({ from }) => Date.parse(from)));
        const today = { ...day(-1), since: since > (days.start.at(-1) ?? 0) ? since : null };
        // A day that was not read from its beginning says nothing about yesterday.
        entry[side] = { today, before: days.partial.at(-2) ? NOTHING : day(-2), base, at: now() };
      }
      counted.set(subject.key, entry);
    }),
  );
}

// Returns the amounts of today and yesterday for one side of a subject. The value is `null` if it is not known, and a guess if the meter was not read all the time; `since` is there if nothing was read before.
/** @type {(subject: Subject, side: Side) => {today: Day, before: Day}} */
export function of(subject, side) {
  const { today = NOTHING, before = NOTHING, base = null, at = 0 } = counted.get(subject.key)?.[side] ?? {};
  const value = sumOf(subject[side], house.sections.get(subject.section)?.readings);
  if (today.value === null || value === null || base === null) return { today, before };
  const risen = value - base;
  const isPossible = risen >= 0 && risen <= MOST * (0.01 + (now() - at) / 3_600_000);
  if (isPossible) return { today: { ...today, value: today.value + risen }, before };
  // The meter was replaced or its count was set, so the history is asked again.
  due = Math.min(due, at + SOON);
  return { today, before };
}

// The power of the last hour, a value for each minute; never more than an hour of them.
export class LastHour {
  /** @type {Map<number, {mean: number, count: number}>} */
  #bins = new Map(); // of a minute
  #loaded = 0; // time up to which the history has all readings

  /** @param {Subject} subject */
  async load(subject) {
    if (!house.series || !recorded(subject, 'power')) return;
    const { time, mean, count } = await course(subject.section, subject.power ?? [], 'from=-60m&step=1m');
    this.#loaded = now();
    time.forEach((at, i) => {
      // The history has more readings of the current minute than the page.
      const more = !((this.#bins.get(at)?.count ?? -1) >= count[i]);
      const value = mean[i];
      if (value !== null && more) this.#bins.set(at, { mean: value, count: count[i] });
    });
  }

  /** @type {(at: number, value: number) => void} */
  add(at, value) {
    if (at <= this.#loaded) return;
    const minute = Math.floor(at / MINUTE) * MINUTE;
    const bin = this.#bins.get(minute) ?? { mean: 0, count: 0 };
    bin.count += 1;
    bin.mean += (value - bin.mean) / bin.count;
    this.#bins.set(minute, bin);
    for (const old of this.#bins.keys()) if (old < minute - MINUTES * MINUTE) this.#bins.delete(old);
  }

  // `[{at, value}]` in order of time; minutes without a value are not there.
  points() {
    const since = now() - (MINUTES + 1) * MINUTE;
    return [...this.#bins]
      .filter(([at]) => at > since)
      .sort(([a], [b]) => a - b)
      .map(([at, { mean }]) => ({ at, value: mean }));
  }
}
