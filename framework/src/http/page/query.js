// Queries of the history for sums: each part is requested, and added up.

import { ask, now } from './live.js';
import { refusal } from './reasons.js';

/** @typedef {Record<string, Value[]> & {zone: string, currency?: string}} Columns */

/** @type {(path: string, signal?: AbortSignal) => Promise<any>} */
export async function answer(path, signal) {
  const got = await ask(path, signal).catch(() => null);
  if (!got?.ok) throw new Error(refusal(got));
  return got.json;
}

/** @type {(section: string, terms: Term[], query: string, signal?: AbortSignal) => Promise<any[]>} */
function answersOf(section, terms, query, signal) {
  /** @type {(name: string) => string} */
  const path = (name) => `history/${[section, name].map(encodeURIComponent).join('/')}?${query}`;
  return Promise.all(terms.map(({ name }) => answer(path(name), signal)));
}

// Adds a column of all answers up, the other one where a part is subtracted; `null` if a part is missing.
/** @type {(answers: Columns[], terms: Term[], key: string, other?: string) => Value[]} */
const added = (answers, terms, key, other = key) =>
  answers[0][key].map((_, i) => {
    let sum = 0;
    for (const [term, { factor }] of terms.entries()) {
      const value = answers[term][factor < 0 ? other : key][i];
      if (typeof value !== 'number') return null;
      sum += factor * value;
    }
    return sum;
  });

/**
 * Returns the consumption of each period.
 * @param {string} section
 * @param {Term[]} terms
 * @param {string} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<Consumption>}
 */
export async function consumption(section, terms, query, signal) {
  const answers = await answersOf(section, terms, query, signal);
  const { zone, start, end, currency } = answers[0];
  /** @type {(key: string) => boolean[]} */
  const any = (key) => start.map((/** @type {number} */ _, /** @type {number} */ i) => answers.some((answer) => answer[key][i]));
  const amount = added(answers, terms, 'amount');
  const counted = { zone, start, end, amount, gap: any('gap'), swap: any('swap'), partial: any('partial') };
  // The parts of an amount are added up, and so is what they cost.
  const costs = terms.map(() => ({ name: '', factor: 1 }));
  return currency ? { ...counted, currency, cost: added(answers, costs, 'cost'), cost_gap: any('cost_gap') } : counted;
}

/**
 * Returns the course of a sum. A subtracted part is greatest where the sum is least.
 * @param {string} section
 * @param {Term[]} terms
 * @param {string} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<Course>}
 */
export async function course(section, terms, query, signal) {
  const answers = await answersOf(section, terms, query, signal);
  const { time, count } = answers[0];
  /** @type {(key: string, other?: string) => Value[]} */
  const column = (key, other) => added(answers, terms, key, other);
  return { time, count, mean: column('mean'), min: column('min', 'max'), max: column('max', 'min') };
}

// A counter that was read up to this long before the end, or after the beginning, covers a range.
const NEAR = 2 * 60_000;

/**
 * Returns the consumption between two moments that are not those of the calendar.
 * @param {string} section
 * @param {Term[]} terms
 * @param {{start: number, end: number, range: string}} period
 * @param {AbortSignal} [signal]
 * @returns {Promise<Consumption>}
 */
export async function risen(section, terms, { start, end, range }, signal) {
  const answers = await answersOf(section, terms, `${range}&step=1m`, signal);
  let [sum, near, swapped] = [/** @type {Value} */ (0), true, false];
  for (const [i, { time, first, last }] of answers.entries()) {
    const there = [...time.keys()].filter((at) => typeof first[at] === 'number' && typeof last[at] === 'number');
    const [one, other] = [there[0], there.at(-1) ?? 0];
    swapped ||= there.some((at, n) => last[at] < first[at] || (n > 0 && first[at] < last[there[n - 1]]));
    near &&= there.length > 0 && time[one] - start <= NEAR && Math.min(end, now()) - time[other] <= NEAR;
    sum = there.length && sum !== null ? sum + terms[i].factor * (last[other] - first[one]) : null;
  }
  const amount = [swapped ? null : sum];
  return { zone: '', start: [start], end: [end], amount, gap: [!near], swap: [swapped], partial: [end > now()] };
}
