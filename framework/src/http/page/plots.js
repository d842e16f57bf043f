// Content of the history's charts: the course, the amounts, and a sentence about them.
//
// All take `{subject, period, curve, imports, exports, consumers, before, compared}`: see `read` in history.js.

import { amount, guessed, joined, moment, number, percent, power, rounded } from './format.js';
import { now } from './live.js';
import { labelOf, titled } from './model.js';
import { extent } from './scale.js';
import { t } from './text.js';

const sum = (side) => side.amount.reduce((total, value) => total + (value ?? 0), 0);

// Returns whether a total is a guess: what was used in a gap at its beginning or end may belong to the period beside it.
function isGuess({ amount, gap }) {
  const known = [...amount.keys()].filter((i) => amount[i] !== null);
  return gap[known[0]] || gap[known.at(-1)];
}

// Returns the totals as a sentence.
export function totals({ subject, period, imports, exports, consumers, before }) {
  const unit = subject.unit;
  const single = subject.kind !== 'electricity' || !subject.exports;
  const total = (side, unit) => guessed(amount(sum(side), unit), isGuess(side));
  const said = consumers.map(({ subject, counted }) =>
    t('used_by', { name: labelOf(subject), value: total(counted, 'kWh') }),
  );
  if (exports) said.unshift(t('fed', { value: total(exports, unit) }));
  if (imports) {
    const change = before.imports && compared(period, imports, before.imports);
    const used = t(single ? 'used' : 'drawn', { value: total(imports, unit) });
    said.unshift(change ? `${used} (${change})` : used);
  }
  const { first } = subject;
  const begins = first > period.start && first < period.end && period.kind !== 'all';
  return (begins ? `${titled(t('since', { time: moment(first, now()) }))}: ` : '') + said.join(', ');
}

// Returns the period before, up to the same time if this one still runs.
function compared(period, imports, before) {
  const running = period.contains(now());
  let then = 0;
  before.amount.forEach((value, i) => {
    const [start, end] = [imports.start[i] ?? period.end, imports.end[i] ?? period.end];
    const passed = running ? Math.max(0, Math.min(1, (now() - start) / (end - start || 1))) : 1;
    then += (value ?? 0) * passed;
  });
  // A period that was not read from its beginning is not a measure, and a guess is not compared.
  if (then < 0.005 || before.amount[0] === null || before.partial[0]) return null;
  if (isGuess(imports) || isGuess(before)) return null;
  const change = sum(imports) / then - 1;
  const earlier = t(`before_${period.kind}`);
  const words = running ? t('so_far', { before: earlier }) : earlier;
  if (Math.abs(change) < 0.005) return t('same', { before: words });
  return t(change < 0 ? 'less' : 'more_than', { share: percent(Math.abs(change)), before: words });
}

// Returns what pointer and table show: an item for each index that has a value.
const listed = (count, itemOf) =>
  Array.from({ length: count }, (_, i) => itemOf(i))
    .filter(({ values }) => values.some((value) => value != null))
    .map(({ format, note, ...item }) => {
      const { values } = item;
      const cells = values.map((value, column) => (typeof value === 'number' ? format(value, column) : ''));
      return { ...item, cells: note === undefined ? cells : [...cells, note] };
    });

const withUnit = (text, { unit }) => (unit ? `${text} (${unit})` : text);

// Returns the chart of the course: mean and band, and the mean of the period before.
export function curves({ subject, period, curve, before }) {
  const watts = subject.power;
  const format = (value) => (watts ? power(value) : joined(rounded(value, subject.unit)));
  const half = (curve.time[1] - curve.time[0]) / 2 || 0;
  const middle = curve.time.map((at) => at + half);
  const later = before.curve ? period.start - period.moved(-1).start : 0;
  const values = curve.mean.filter((value) => value !== null);
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  const [least, most] = [extent(curve.min, 0, true)[0], extent(curve.max, 0, true)[1]];
  const both = watts && (subject.exports || least < 0);
  const courses = [{ ...curve, name: both ? 'flow' : 'import', times: middle, filled: watts }];
  const heads = [t('average'), t('least'), t('most')];
  const columns = [curve.mean, curve.min, curve.max];
  const keys = [];
  if (watts) keys.push({ name: 'import', text: t(both ? 'from_grid' : 'power') });
  if (both) keys.push({ name: 'export', text: t('into_grid') });
  if (before.curve) {
    const { time, mean } = before.curve;
    const at = new Map(time.map((at, i) => [at + later, mean[i]]));
    courses.push({ name: 'before', times: time.map((at) => at + half + later), mean });
    keys.push({ name: 'before', text: t('period_before') });
    heads.push(t('period_before'));
    columns.push(curve.time.map((time) => at.get(time)));
  }
  const items = listed(curve.time.length, (i) => ({
    at: middle[i],
    start: curve.time[i],
    title: period.title(curve.time[i]),
    values: columns.map((column) => column[i]),
    format,
  }));
  return {
    title: watts ? `${t('power')} (kW)` : withUnit(labelOf(subject), subject),
    axisText: (value) => number(watts ? value / 1000 : value, 3, 0),
    from: period.start,
    to: period.end,
    ticks: period.ticks(),
    least: watts ? 200 : 1,
    free: !watts,
    unit: watts ? 'W' : subject.unit,
    keys,
    heads,
    items,
    courses,
    label: t('power_label', {
      name: watts ? t('power') : labelOf(subject),
      period: period.label,
      mean: format(mean),
      min: format(least),
      max: format(most),
    }),
  };
}

// Returns the chart of the amounts: a bar for each part of the period.
export function columns(answers, counted, sentence) {
  const { subject, period, imports, exports, consumers, before } = answers;
  const unit = subject.unit;
  const single = subject.kind !== 'electricity' || !subject.exports;
  // What pointer and table show of each bar: amounts with the name of their colour.
  const shown = [
    { side: imports, name: 'import', text: t(single ? 'consumption' : 'import') },
    { side: exports, name: 'export', text: t('export') },
    ...consumers.map(({ subject, counted }, i) => ({ side: counted, name: `c${i + 1}`, text: labelOf(subject) })),
    { side: answers.compared && (before.imports ?? before.exports), name: 'before', text: t('period_before') },
  ].filter(({ side }) => side);
  const bar = (side, name, i, sign = 1) => ({ name, value: sign * (side?.amount[i] ?? 0), guess: side?.gap[i] });
  // What was not read is no measure for others.
  const earlier = (side, i) => (answers.compared && !side?.gap[i] && side?.amount[i]) || 0;
  const bars = counted.start.map((start, i) => ({
    start,
    end: counted.end[i],
    columns: [
      [bar(imports, 'import', i), bar(exports, 'export', i, -1)],
      consumers.map(({ counted }, c) => bar(counted, `c${c + 1}`, i)),
    ].filter((column) => column.length),
    before: [earlier(before.imports, i), -earlier(before.exports, i)],
    uncertain: shown.some(({ name, side }) => name !== 'before' && side.swap[i]),
  }));
  const note = (i) => {
    const is = (key) => shown.some(({ name, side }) => name !== 'before' && side[key][i]);
    return ['gap', 'swap', 'partial']
      .filter(is)
      .map((key) => t(key))
      .join(', ');
  };
  const items = listed(bars.length, (i) => ({
    at: (bars[i].start + bars[i].end) / 2,
    start: bars[i].start,
    title: period.title(bars[i].start, bars[i].end),
    values: shown.map(({ side }) => side.amount[i]),
    format: (value, column) => guessed(amount(value, unit), shown[column].side.gap[i]),
    note: note(i),
  }));
  const marks = [
    bars.some(({ columns }) => columns.flat().some(({ value, guess }) => value && guess)) && t('hatched'),
    bars.some(({ uncertain }) => uncertain) && t('marks'),
  ];
  return {
    from: period.start,
    to: Math.max(period.end, counted.end.at(-1)),
    ticks: period.ticks(),
    least: 0.1,
    unit,
    items,
    keys: shown,
    bars,
    marks: marks.filter(Boolean).join(' '),
    heads: [...shown.map(({ text }) => text), t('note')],
    title: withUnit(t(subject.kind === 'electricity' || subject.kind === 'consumer' ? 'energy' : 'amounts'), subject),
    axisText: (value) => number(value, 3, 0),
    label: t('energy_label', { period: period.label, totals: sentence }),
  };
}
