// Queries of the history for sums: each part is requested, and added up.

import { ask } from './live.js';

const encode = encodeURIComponent;
export const historyPath = (section, name, query) => `history/${encode(section)}/${encode(name)}?${query}`;

async function answersOf(section, terms, query, signal) {
  const answers = await Promise.all(terms.map(({ name }) => ask(historyPath(section, name, query), signal)));
  const failed = answers.find(({ ok }) => !ok);
  if (failed) throw new Error(failed.json.error?.message ?? String(failed.status));
  return answers.map(({ json }) => json);
}

// Adds columns up; `null` if a part is missing.
const added = (columns, factors) =>
  columns[0].map((_, i) =>
    columns.some((column) => typeof column[i] !== 'number')
      ? null
      : columns.reduce((sum, column, term) => sum + factors[term] * column[i], 0),
  );

// Returns the consumption of each period: `{zone, start, end, amount, gap, swap, partial}`.
export async function consumption(section, terms, query, signal) {
  const answers = await answersOf(section, terms, query, signal);
  const { zone, start, end } = answers[0];
  const any = (key) => start.map((_, i) => answers.some((answer) => answer[key][i]));
  const amount = added(
    answers.map(({ amount }) => amount),
    terms.map(({ factor }) => factor),
  );
  return { zone, start, end, amount, gap: any('gap'), swap: any('swap'), partial: any('partial') };
}

// Returns the course of a sum: `{from, to, time, mean, min, max}`. A subtracted part is greatest where the sum is least.
export async function course(section, terms, query, signal) {
  const answers = await answersOf(section, terms, query, signal);
  const { from, to, time, step } = answers[0];
  const factors = terms.map(({ factor }) => factor);
  const column = (key, other) =>
    added(
      answers.map((answer, term) => answer[factors[term] < 0 ? other : key]),
      factors,
    );
  return {
    from: Date.parse(from),
    to: Date.parse(to),
    step,
    time,
    mean: column('mean', 'mean'),
    min: column('min', 'max'),
    max: column('max', 'min'),
  };
}
