// Queries of the history for sums: each part is requested, and added up.

import { ask } from './live.js';

async function answersOf(section, terms, query, signal) {
  const path = (name) => `history/${[section, name].map(encodeURIComponent).join('/')}?${query}`;
  const answers = await Promise.all(terms.map(({ name }) => ask(path(name), signal)));
  const failed = answers.find(({ ok }) => !ok);
  if (failed) throw new Error(failed.json.error?.message ?? String(failed.status));
  return answers.map(({ json }) => json);
}

// Adds a column of all answers up, the other one where a part is subtracted; `null` if a part is missing.
const added = (answers, terms, key, other = key) =>
  answers[0][key].map((_, i) => {
    const values = answers.map((answer, term) => answer[terms[term].factor < 0 ? other : key][i]);
    if (values.some((value) => typeof value !== 'number')) return null;
    return values.reduce((sum, value, term) => sum + terms[term].factor * value, 0);
  });

// Returns the consumption of each period: `{zone, start, end, amount, gap, swap, partial}`.
export async function consumption(section, terms, query, signal) {
  const answers = await answersOf(section, terms, query, signal);
  const { zone, start, end } = answers[0];
  const any = (key) => start.map((_, i) => answers.some((answer) => answer[key][i]));
  const amount = added(answers, terms, 'amount');
  return { zone, start, end, amount, gap: any('gap'), swap: any('swap'), partial: any('partial') };
}

// Returns the course of a sum: `{time, mean, min, max, count}`. A subtracted part is greatest where the sum is least.
export async function course(section, terms, query, signal) {
  const answers = await answersOf(section, terms, query, signal);
  const { time, count } = answers[0];
  const column = (key, other) => added(answers, terms, key, other);
  return { time, count, mean: column('mean'), min: column('min', 'max'), max: column('max', 'min') };
}
