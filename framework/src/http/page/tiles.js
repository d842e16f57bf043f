// Tiles of the history: the amounts of a period, their change, and what they cost.

import { amount, guessed, joined, moment, money, percent, power, rounded } from './format.js';
import { now } from './live.js';
import { isConsumer, titled } from './model.js';
import { t } from './text.js';

/** @typedef {import('./answers.js').Answers} Answers */
/** @typedef {import('./period.js').Period} Period */
/** @typedef {{amount: Value[], gap: boolean[], partial?: boolean[]}} Side */
/** @typedef {{name: string, label: string, value: string, more: string[]}} Tile */

/** @type {(values: Value[] | undefined) => number} */
export const sum = (values) => (values ?? []).reduce((/** @type {number} */ total, value) => total + (value ?? 0), 0);

/** @type {(values: readonly (Value | undefined)[] | undefined) => boolean} */
export const has = (values) => values?.some((value) => typeof value === 'number') ?? false;

// Returns whether a total is a guess: what was used in a gap at its beginning or end may belong to the period beside it.
/** @type {(side: Side) => boolean} */
function isGuess({ amount, gap }) {
  const known = [...amount.keys()].filter((i) => amount[i] !== null);
  return Boolean(gap[known[0]] || gap[known.at(-1) ?? -1]);
}

/** @type {(side: Side, unit: string) => string} */
const total = (side, unit) => guessed(amount(sum(side.amount), unit), isGuess(side));

// Returns a column of the balance, if it has a value.
/** @type {(answers: Answers, key: keyof Balance) => Side | null} */
export const column = ({ balance }, key) => {
  const values = /** @type {Value[] | undefined} */ (balance?.[key]);
  return balance && has(values) ? { amount: values ?? [], gap: balance.gap, partial: balance.partial } : null;
};

// Returns whether the production of the house is known: without it, what the house used is not.
/** @type {(answers: Answers) => boolean} */
export const knowsProduction = ({ wish, balance }) => wish.produces && has(balance?.produced);

// Returns the name of what a subject counts.
/** @type {(subject: Subject) => string} */
export const countedAs = ({ kind, exports, role }) => {
  if (role === 'production') return 'produced';
  return kind === 'electricity' && exports ? 'import' : 'consumption';
};

/** @typedef {{cost?: Value[], cost_gap?: boolean[], currency?: string}} Costs */

// Returns what a side cost, in place of its amounts.
/** @type {(side: Side | null, cost?: Value[], unpriced?: boolean[]) => Side | null} */
export const priced = (side, cost, unpriced = []) =>
  side && cost && has(cost) ? { ...side, amount: cost, gap: side.gap.map((is, i) => is || (unpriced[i] ?? false)) } : null;

// Returns the tiles of a period.
/** @type {(answers: Answers) => Tile[]} */
export function tiles(answers) {
  const { wish, imports, exports, balance, before } = answers;
  const { subject, choice, period } = wish;
  if (choice) return tilesOf(answers);
  const unit = subject.unit;
  const start = imports ?? exports;
  /** @type {(side: Side | null, earlier: Side | null) => string[]} */
  const change = (side, earlier) => {
    const said = side && earlier && start && compared(wish, { ...start, ...side }, earlier);
    return said ? [said] : [];
  };
  /** @type {Tile[]} */
  const made = [];
  /** @type {(name: string, label: string, side: Side | null, earlier?: Side | null, costs?: Costs, before?: Costs) => void} */
  const add = (name, label, side, earlier = null, { cost: price, cost_gap: priceGap, currency } = {}, before = {}) => {
    if (!side || !has(side.amount)) return;
    const energy = total(side, unit);
    const costs = currency && has(price) ? guessed(money(sum(price), currency), priceGap?.some(Boolean) || isGuess(side)) : '';
    const inMoney = wish.money && costs;
    const [value, other] = inMoney ? [costs, energy] : [energy, costs];
    // What is compared is what is large.
    const changed = inMoney ? change(priced(side, price, priceGap), priced(earlier, before.cost, before.cost_gap)) : change(side, earlier);
    const supposed = costs && wish.produces && isConsumer(subject) ? [t('as_from_grid')] : [];
    made.push({ name, label: t(label), value, more: [...(other ? [other] : []), ...supposed, ...changed] });
  };
  const earlier = { ...answers, balance: before.balance };
  const known = knowsProduction(answers);
  if (known) add('consumption', 'consumption', column(answers, 'consumption'), column(earlier, 'consumption'));
  add('import', countedAs(subject), imports, before.imports, imports ?? {}, before.imports ?? {});
  add('export', 'export', exports, before.exports, exports ?? {}, before.exports ?? {});
  if (known && balance) {
    add('produced', 'produced', column(answers, 'produced'), column(earlier, 'produced'));
    const saved = { cost: balance.saved, cost_gap: balance.cost_gap, currency: balance.currency };
    add('own', 'own', column(answers, 'self_used'), column(earlier, 'self_used'), saved, { cost: before.balance?.saved, cost_gap: before.balance?.cost_gap });
    // Shares are those of the time whose consumption is known: before the first reading of the production, it is not.
    const [used, drawn, produced, own] = ['consumption', 'drawn', 'produced', 'self_used'].map((key) =>
      sum(/** @type {Value[]} */ (balance[/** @type {keyof Balance} */ (key)]).filter((_, i) => balance.consumption[i] !== null)),
    );
    // They are as sure as the amounts that they are made of.
    const guess = isGuess({ amount: balance.consumption, gap: balance.gap });
    /** @type {(name: string, share: number) => void} */
    const share = (name, share) => {
      made.push({ name, label: t(name), value: guessed(percent(Math.max(0, Math.min(1, share))), guess), more: [] });
    };
    if (used > 0) share('sufficiency', 1 - drawn / used);
    if (produced > 0) share('self_share', own / produced);
  }
  if (!imports && !exports) made.push(...measured(answers.curve, subject.unit, Boolean(subject.power)));
  else if (period.kind === 'hour') made.push(...measured(answers.curve, 'W', true).slice(0, 1));
  return made;
}

// Returns since when the readings of a period are there, if that is within it.
/** @type {(answers: Answers) => string} */
export function since({ wish: { subject, period } }) {
  const { first } = subject;
  const begins = first > period.start && first < period.end && period.kind !== 'all';
  return begins ? titled(t('since', { time: moment(first, now()) })) : '';
}

// Returns the consumers with their amounts, the largest first.
/** @type {(answers: Answers) => string[]} */
export function used({ consumers, wish }) {
  const there = consumers.filter(({ counted }) => has(counted.amount));
  there.sort((a, b) => sum(b.counted.amount) - sum(a.counted.amount));
  return there.map(({ text, counted }) => t('used_by', { name: text, value: total(counted, wish.subject.unit) }));
}

// Returns all of it as a sentence.
/** @type {(answers: Answers) => string} */
export function sentence(answers) {
  const said = tiles(answers).map(({ label, value, more }) => `${label} ${value}${more.length ? ` (${more.join(', ')})` : ''}`);
  const begin = since(answers);
  return (begin ? `${begin}: ` : '') + [...said, ...used(answers)].join(', ');
}

// Returns the change from the period before, up to the same time if this one still runs.
/** @type {(wish: Answers['wish'], side: Side & {start: number[], end: number[]}, before: Side) => string | null} */
function compared({ period, compare }, side, before) {
  const running = period.contains(now());
  let then = 0;
  before.amount.forEach((value, i) => {
    const [start, end] = [side.start[i] ?? period.end, side.end[i] ?? period.end];
    const passed = running ? Math.max(0, Math.min(1, (now() - start) / (end - start || 1))) : 1;
    then += (value ?? 0) * passed;
  });
  // A period that was not read from its beginning is not a measure, and a guess is not compared.
  if (then < 0.005 || before.amount[0] === null || before.partial?.[0]) return null;
  if (isGuess(side) || isGuess(before)) return null;
  const change = sum(side.amount) / then - 1;
  const earlier = t(compare === 'year' && period.kind !== 'year' ? 'before_weeks' : `before_${period.kind}`);
  const words = running ? t('so_far', { before: earlier }) : earlier;
  if (Math.abs(change) < 0.005) return t('same', { before: words });
  return t(change < 0 ? 'less' : 'more_than', { share: percent(Math.abs(change)), before: words });
}

// Average, and between what.
/** @type {(curve: Course | null | undefined, unit: string, watts: boolean, name?: string) => Tile[]} */
function measured(curve, unit, watts, name = '') {
  if (!curve || !has(curve.mean)) return [];
  const { average, least, most } = figures(curve);
  /** @type {(value: number) => string} */
  const format = (value) => (watts ? power(value) : joined(rounded(value, unit)));
  const range = t('between', { min: format(least), max: format(most) });
  return [{ name: name || 'average', label: name || t('average'), value: format(average), more: [range] }];
}

// Returns average, least and greatest value of a course.
/** @type {(curve: Course) => {average: number, least: number, most: number}} */
export function figures({ mean, min, max }) {
  let [total, count, least, most] = [0, 0, Infinity, -Infinity];
  mean.forEach((value, i) => {
    if (value === null) return;
    total += value;
    count += 1;
    least = Math.min(least, min[i] ?? value);
    most = Math.max(most, max[i] ?? value);
  });
  return { average: total / (count || 1), least, most };
}

// Tiles of phases, voltages, tariffs, and single readings.
/** @type {(answers: Answers) => Tile[]} */
function tilesOf({ lines, wish }) {
  const { choice } = wish;
  return lines.flatMap(({ text, curve, counted, before }) => {
    if (curve) return measured(curve, choice?.unit ?? '', choice?.unit === 'W', lines.length > 1 ? text : '');
    if (!counted || !has(counted.amount)) return [];
    const said = before && compared(wish, counted, before);
    return [{ name: text, label: text, value: total(counted, choice?.unit ?? ''), more: said ? [said] : [] }];
  });
}
