// Content of the history's charts: the course of a power or of other readings, and the amounts.

import { amount, guessed, joined, money, number, power, rounded, symbol } from './format.js';
import { labelOf } from './model.js';
import { t } from './text.js';
import { column, countedAs, figures, has, knowsProduction, priced, sum } from './tiles.js';

/** @typedef {import('./answers.js').Answers} Answers */
/** @typedef {{amount: (Value | undefined)[], gap: boolean[], swap?: boolean[], partial?: boolean[]}} Side */
/**
 * Column of the table. `place`: the stack of its bars (0: where it came from, 1: what it was used for), `null` if it has
 * none; `sign` is -1 where it hangs below zero.
 * @typedef {{name: string, text: string, side: Side, place: 0 | 1 | null, sign: 1 | -1}} Shown
 */

// Consumers that have a colour of their own; the rest of a longer list shares one.
const COLOURS = 12;

/** @type {(name: string, text: string, side: Side | null | undefined, place: 0 | 1 | null, sign?: 1 | -1) => Shown[]} */
const shownAs = (name, text, side, place, sign = 1) => (side ? [{ name, text, side, place, sign }] : []);

/**
 * Returns what pointer and table show: an item for each index that has a value.
 * @param {number} count
 * @param {(i: number) => {at: number, title: string, values: (Value | undefined)[], note?: string, start?: number}} itemOf
 * @param {(value: number, column: number, i: number) => string} format
 * @returns {Item[]}
 */
const listed = (count, itemOf, format) =>
  Array.from({ length: count }, (_, i) => ({ i, ...itemOf(i) }))
    .filter(({ values }) => has(values))
    .map(({ values, note, i, at, title, start }) => {
      const cells = values.map((value, column) => (typeof value === 'number' ? format(value, column, i) : ''));
      return { at, title, start, values, cells: note === undefined ? cells : [...cells, note] };
    });

/** @type {(text: string, unit: string) => string} */
const withUnit = (text, unit) => (unit ? `${text} (${unit})` : text);

/** @type {(unit: string) => (value: number) => string} */
const formatOf = (unit) => (value) => (unit === 'W' ? power(value) : joined(rounded(value, unit)));
/** @type {(watts: boolean) => (value: number) => string} */
const axisOf = (watts) => (value) => number(watts ? value / 1000 : value, 3, 0);

/** @type {(curve: Course) => number[]} */
const middles = ({ time }) => {
  const half = (time[1] - time[0]) / 2 || 0;
  return time.map((at) => at + half);
};

// Returns the chart of a course: mean and band, and the mean of the period before; or of several, such as phases: a line
// for each.
/** @type {(answers: Answers) => Spec} */
export function courses({ wish, curve, lines, before }) {
  const { subject, choice, period } = wish;
  const there = choice
    ? lines.flatMap((line, i) => (line.curve ? [{ text: line.text, curve: line.curve, name: `c${i + 1}` }] : []))
    : [{ text: '', curve: /** @type {Course} */ (curve), name: '' }];
  const unit = choice ? choice.unit : subject.power ? 'W' : subject.unit;
  const watts = unit === 'W';
  const format = formatOf(unit);
  const longest = there.reduce((a, b) => (b.curve.time.length > a.curve.time.length ? b : a)).curve;
  const middle = middles(longest);
  const single = there.length === 1;
  const all = there.map(({ curve }) => figures(curve));
  const [least, most] = [Math.min(...all.map(({ least }) => least)), Math.max(...all.map(({ most }) => most))];
  const average = all.reduce((total, { average }) => total + average, 0) / all.length;
  const filled = watts && !choice;
  const both = filled && (Boolean(subject.exports) || least < 0);
  const keys = single ? [] : there.map(({ text, name }) => ({ name, text }));
  if (filled) keys.push({ name: 'import', text: t(both ? 'from_grid' : 'power') });
  if (both) keys.push({ name: 'export', text: t('into_grid') });
  if (single && has(longest.min)) keys.push({ name: 'spread', text: t('spread') });
  const heads = single ? [t('average'), t('least'), t('most')] : there.map(({ text }) => text);
  /** @type {(Value | undefined)[][]} */
  const columns = single ? [longest.mean, longest.min, longest.max] : there.map(({ curve }) => curve.mean);
  /** @type {Curve[]} */
  const drawn = there.map(({ curve, name }) => ({
    name: name || (both ? 'flow' : 'import'),
    times: middles(curve),
    mean: curve.mean,
    // Bands of several lines would hide each other.
    ...(single ? { min: curve.min, max: curve.max, filled } : {}),
  }));
  if (before.curve && before.period) {
    const { time, mean } = before.curve;
    const later = period.start - before.period.start;
    const at = new Map(time.map((at, i) => [at + later, mean[i]]));
    drawn.push({ name: 'before', times: middles(before.curve).map((at) => at + later), mean });
    keys.push({ name: 'before', text: earlierOf(wish) });
    heads.push(earlierOf(wish));
    columns.push(longest.time.map((time) => at.get(time)));
  }
  const itemOf = (/** @type {number} */ i) => ({
    at: middle[i],
    start: longest.time[i],
    title: period.title(longest.time[i]),
    values: columns.map((column) => column[i]),
  });
  const name = choice?.text ?? (watts ? t('power') : labelOf(subject));
  const [mean, min, max] = [average, least, most].map(format);
  return {
    title: withUnit(name, watts ? 'kW' : unit),
    axisText: axisOf(watts),
    from: period.start,
    to: period.end,
    ticks: period.ticks(),
    least: watts ? 200 : 1,
    free: !watts,
    unit,
    keys,
    heads,
    items: listed(longest.time.length, itemOf, format),
    courses: drawn,
    label: t('power_label', { name, period: period.label, mean, min, max }),
  };
}

/** @type {(wish: Answers['wish']) => string} */
const earlierOf = ({ compare }) => t(compare === 'year' ? 'compare_year' : 'compare_before');

// The columns of energy: where it came from, and what it was used for.
/** @type {(answers: Answers) => Shown[]} */
function energies(answers) {
  const { wish, imports, exports, balance, consumers, lines } = answers;
  const { subject, choice } = wish;
  if (choice) return lines.flatMap(({ text, counted }, i) => shownAs(`c${i + 1}`, text, counted, 0));
  const single = subject.kind !== 'electricity' || !subject.exports;
  const known = knowsProduction(answers);
  /** @type {(key: keyof Balance) => Side | null} */
  const side = (key) => column(answers, key);
  return [
    ...(known ? shownAs('own', t('own'), side('self_used'), 0) : []),
    ...(sum(balance?.discharged) ? shownAs('storage', t('discharged'), side('discharged'), 0) : []),
    ...shownAs('import', t(countedAs(subject)), imports, 0),
    ...shownAs('export', t('export'), exports, 0, -1),
    ...(sum(balance?.charged) ? shownAs('charged', t('charged'), side('charged'), 0, -1) : []),
    ...coloured(consumers),
    ...(consumers.length && (known || single) ? shownAs('rest', t('rest'), side('other'), 1) : []),
    // Sums of the others: in the table, and in what is taken away.
    ...(known ? [...shownAs('none', t('consumption'), side('consumption'), null), ...shownAs('none', t('produced'), side('produced'), null)] : []),
  ];
}

// The consumers in their order. Where there are more of them than colours, the smallest ones share a bar; one that is a
// part of another has none.
/** @type {(consumers: Answers['consumers']) => Shown[]} */
function coloured(consumers) {
  const counting = consumers.filter(({ counted }) => has(counted.amount));
  const there = counting.filter(({ isPart }) => !isPart);
  const bySize = [...there].sort((a, b) => sum(b.counted.amount) - sum(a.counted.amount));
  const own = there.length > COLOURS ? new Set(bySize.slice(0, COLOURS - 1)) : new Set(there);
  const few = there.filter((consumer) => own.has(consumer));
  const others = there.filter((consumer) => !own.has(consumer));
  const together = others[0]?.counted.amount.map((_, i) => sum(others.map(({ counted }) => counted.amount[i])));
  const gap = others[0]?.counted.gap;
  return [
    ...few.flatMap(({ text, counted }, i) => shownAs(`c${i + 1}`, text, counted, 1)),
    ...(others.length ? shownAs('others', t('more_of', { count: String(others.length) }), { amount: together, gap }, 1) : []),
    ...others.flatMap(({ text, counted }) => shownAs('none', text, counted, null)),
    ...counting.flatMap(({ text, counted, isPart }) => (isPart ? shownAs('part', text, counted, null) : [])),
  ];
}

// The columns of money: what it cost, what was earned, and the consumers' shares of the cost.
/** @type {(answers: Answers) => Shown[]} */
function moneys(answers) {
  const { imports, exports, balance } = answers;
  /** @type {(counted: Consumption | null) => Side | null} */
  const side = (counted) => priced(counted && { amount: [], gap: counted.gap }, counted?.cost, counted?.cost_gap);
  const saved = priced(balance && { amount: [], gap: balance.gap }, balance?.saved, balance?.cost_gap);
  return [
    ...shownAs('import', t('cost'), side(imports), 0),
    ...shownAs('export', t('income'), side(exports), 0, -1),
    ...sharesOf(answers, side(imports)),
    ...shownAs('part', t('money_saved'), saved, null),
  ];
}

// What the household paid is divided among the consumers by their energy: nobody can say which of them had the sun.
/** @type {(answers: Answers, paid: Side | null) => Shown[]} */
function sharesOf(answers, paid) {
  const { wish, imports, balance, consumers } = answers;
  const used = knowsProduction(answers) ? balance?.consumption : wish.subject.exports ? null : imports?.amount;
  if (!paid || !used || !consumers.length) return [];
  const shares = consumers.map(({ counted, ...one }) => {
    const amount = counted.amount.map((value, i) => {
      const [all, cost] = [used[i], paid.amount[i]];
      return value === null || !all || cost === null || cost === undefined ? null : (cost * value) / all;
    });
    return { ...one, counted: { amount, gap: counted.gap.map((is, i) => is || paid.gap[i]) } };
  });
  const parts = shares.filter(({ isPart, counted }) => !isPart && has(counted.amount));
  const rest = paid.amount.map((cost, i) => (typeof cost === 'number' ? cost - sum(parts.map(({ counted }) => counted.amount[i] ?? null)) : null));
  return [...coloured(shares), ...(parts.length ? shownAs('rest', t('rest'), { amount: rest, gap: paid.gap }, 1) : [])];
}

// Returns whether what is shown has a price.
/** @type {(answers: Answers) => boolean} */
export const hasMoney = (answers) => !answers.wish.choice && moneys(answers).length > 0;

// Returns the chart of the amounts: a bar for each part of the period.
/** @type {(answers: Answers, label: string, open: (at: number) => void) => Spec} */
export function columns(answers, label, open) {
  const { wish, imports, exports, before, lines } = answers;
  const { subject, choice, period } = wish;
  const inMoney = wish.money && hasMoney(answers);
  const currency = imports?.currency ?? exports?.currency ?? '';
  const unit = choice?.unit ?? subject.unit;
  const counted = /** @type {Consumption} */ (imports ?? exports ?? lines.find(({ counted }) => counted)?.counted);
  const columnsOf = inMoney ? moneys : energies;
  const shown = columnsOf(answers);
  const isCompared = Boolean(wish.compare && before.period);
  const earlier = isCompared ? columnsOf({ ...answers, ...before, consumers: [], lines: linesBefore(answers) }) : [];
  /** @type {(i: number, sign: 1 | -1) => Value} */
  const then = (i, sign) => {
    // What was not read is no measure for others.
    const values = earlier.flatMap((one) => (one.place === 0 && one.sign === sign && !one.side.gap[i] ? [one.side.amount[i]] : []));
    return has(values) ? sum(values.map((value) => value ?? null)) : null;
  };
  const ups = counted.start.map((_, i) => then(i, 1));
  const stacks = /** @type {const} */ ([0, 1]);
  const bars = counted.start.map((start, i) => ({
    start,
    end: counted.end[i],
    columns: stacks
      .map((place) =>
        shown
          .filter((one) => one.place === place)
          .map(({ name, side, sign }) => ({ name, value: sign * (side.amount[i] ?? 0), guess: side.gap[i] })),
      )
      .filter((column) => column.length),
    before: [ups[i] ?? 0, -(then(i, -1) ?? 0)],
    uncertain: shown.some(({ side }) => side.swap?.[i]),
  }));
  /** @type {(i: number) => string} */
  const note = (i) => {
    const keys = /** @type {const} */ (['gap', 'swap', 'partial']);
    return keys
      .filter((key) => shown.some(({ side }) => side[key]?.[i]))
      .map((key) => t(key))
      .join(', ');
  };
  const extra = isCompared && has(ups) ? [earlierOf(wish)] : [];
  const items = listed(
    bars.length,
    (i) => ({
      at: (bars[i].start + bars[i].end) / 2,
      start: bars[i].start,
      title: period.title(bars[i].start, bars[i].end),
      values: [...shown.map(({ side }) => side.amount[i]), ...(extra.length ? [ups[i]] : [])],
      note: note(i),
    }),
    (value, column, i) =>
      guessed(inMoney ? money(value, currency) : amount(value, unit), Boolean(shown[column]?.side.gap[i])),
  );
  const marks = [
    isCompared && !has(ups) && `${earlierOf(wish)}: ${t('nothing_here')}`,
    bars.some(({ columns }) => columns.flat().some(({ value, guess }) => value && guess)) && t('hatched'),
    bars.some(({ uncertain }) => uncertain) && t('marks'),
    inMoney && shown.some(({ name }) => name === 'rest') && t('shared_cost'),
  ];
  const keys = shown.filter(({ place }) => place !== null).map(({ name, text }) => ({ name, text }));
  const title = choice?.text ?? t(['electricity', 'consumer'].includes(subject.kind) ? 'energy' : 'amounts');
  return {
    from: period.start,
    to: Math.max(period.end, counted.end.at(-1) ?? 0),
    ticks: period.ticks(),
    least: 0.1,
    unit: inMoney ? currency : unit,
    items,
    keys: [...keys, ...extra.map((text) => ({ name: 'before', text }))],
    bars,
    marks: marks.filter(Boolean).join(' '),
    heads: [...shown.map(({ text }) => text), ...extra, t('note')],
    title: withUnit(inMoney ? t('money') : title, inMoney ? symbol(currency) : unit),
    axisText: (value) => number(value, 3, 0),
    label: t('energy_label', { period: period.label, totals: label }),
    quiet: shown.filter(({ name }) => name === 'none').map(({ text }) => text),
    open: ({ start }) => start !== undefined && open(start),
  };
}

/** @type {(answers: Answers) => Answers['lines']} */
const linesBefore = ({ lines }) => lines.map(({ text, before }) => ({ text, counted: before ?? undefined }));
