// Consumption of today and yesterday, and power of the last hour: from the history, then continued live.

import { setZone } from './format.js';
import { ask, house, now, readSeries } from './live.js';
import { sumOf } from './model.js';
import { consumption, historyPath } from './query.js';

const EVERY = 5 * 60_000;
const SOON = 30_000;
// More than a household draws, in kW, and in cubic metres an hour.
const MOST = 100;
const MINUTE = 60_000;
const MINUTES = 60;

// key of a subject → {imports, exports}: each {today, before, base}
const counted = new Map();
let due = 0;
let ends = Infinity;

// Returns whether the history has all parts of a sum: unknown ones are not requested.
const recorded = ({ section, ...sums }, key) =>
  sums[key].every(({ name }) => house.series.some((series) => series.section === section && series.name === name));

// Requests the totals now and then, at midnight, and after a start.
export async function refresh(force = false) {
  if (!house.series?.length || (!force && now() < Math.min(due, ends))) return;
  ends = Infinity;
  due = now() + EVERY;
  // A source that has just started may not be in the list yet.
  if (
    house.subjects.some((subject) => ['imports', 'exports'].some((side) => subject[side] && !recorded(subject, side)))
  ) {
    due = now() + SOON;
    await readSeries();
  }
  const known = new Set(house.subjects.map(({ key }) => key));
  for (const key of counted.keys()) if (!known.has(key)) counted.delete(key);
  await Promise.allSettled(
    house.subjects.map(async (subject) => {
      const entry = {};
      for (const side of ['imports', 'exports']) {
        const terms = subject[side];
        if (!terms || !recorded(subject, side)) continue;
        const days = await consumption(subject.section, terms, 'from=-24h&per=day');
        if (!days.amount.length) continue;
        setZone(days.zone);
        ends = days.end.at(-1);
        const base = sumOf(terms, house.sections.get(subject.section)?.readings);
        entry[side] = { today: days.amount.at(-1), before: days.amount.at(-2) ?? null, base, at: now() };
      }
      counted.set(subject.key, entry);
    }),
  );
}

// Returns the amounts of today and yesterday for one side of a subject: `null` if not known.
export function of(subject, side) {
  const entry = counted.get(subject.key)?.[side];
  if (!entry || entry.today === null) return { today: null, before: entry?.before ?? null };
  const value = sumOf(subject[side], house.sections.get(subject.section)?.readings);
  const risen = value === null || entry.base === null ? 0 : value - entry.base;
  const possible = MOST * (0.01 + (now() - entry.at) / 3_600_000);
  if (risen >= 0 && risen <= possible) return { today: entry.today + risen, before: entry.before };
  // The meter was replaced or its count was set, so the history is asked again.
  due = Math.min(due, entry.at + SOON);
  return { today: entry.today, before: entry.before };
}

// The power of the last hour, a value for each minute; never more than an hour of them.
export class LastHour {
  #bins = new Map(); // minute → {mean, count}

  async load(subject) {
    const { section, power } = subject;
    if (!house.series || !recorded(subject, 'power')) return;
    const answers = await Promise.all(power.map(({ name }) => ask(historyPath(section, name, 'from=-60m&step=1m'))));
    if (answers.some(({ ok }) => !ok)) return;
    answers[0].json.time.forEach((at, i) => {
      const means = answers.map(({ json }) => json.mean[json.time.indexOf(at)]);
      if (means.some((mean) => typeof mean !== 'number')) return;
      const mean = means.reduce((sum, value, term) => sum + value * power[term].factor, 0);
      const bin = this.#bins.get(at);
      // The history has more readings of the current minute than the page.
      if (!bin || bin.count < answers[0].json.count[i]) this.#bins.set(at, { mean, count: answers[0].json.count[i] });
    });
  }

  add(at, value) {
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
