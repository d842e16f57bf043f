// Content of the history's charts: the course, the amounts, and a sentence about them.
//
// All take `{subject, period, curve, imports, exports, consumers, before, compared}`: see `read` in history.js.

import { amount, joined, number, percent, power, rounded } from './format.js';
import { now } from './live.js';
import { labelOf } from './model.js';
import { t } from './text.js';

export const uncertain = ({ imports, exports }, i) => [imports, exports].some((side) => side?.gap[i] || side?.swap[i]);
const sum = (side) => side?.amount.reduce((total, value) => total + (value ?? 0), 0) ?? 0;

// Returns the totals as a sentence.
export function totals({ subject, period, imports, exports, consumers, before }) {
  const unit = subject.unit;
  const single = subject.kind !== 'electricity' || !subject.exports;
  const said = [
    imports && t(single ? 'used' : 'drawn', { value: amount(sum(imports), unit) }),
    exports && t('fed', { value: amount(sum(exports), unit) }),
    ...consumers.map(({ subject, counted }) =>
      t('used_by', { name: labelOf(subject), value: amount(sum(counted), 'kWh') }),
    ),
  ]
    .filter(Boolean)
    .join(', ');
  return [said, imports && before.imports && compared(period, imports, before.imports)].filter(Boolean).join('; ');
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
  // A period that was not read from its beginning is not a measure.
  if (then < 0.005 || before.amount[0] === null || before.partial[0]) return null;
  const change = sum(imports) / then - 1;
  const words = t(`before_${period.kind}`) + (running ? t('so_far') : '');
  if (Math.abs(change) < 0.005) return t('same', { before: words });
  return t(change < 0 ? 'less' : 'more_than', { share: percent(Math.abs(change)), before: words });
}

const titled = (text, { unit }) => (unit ? `${text} (${unit})` : text);

// Returns the chart of the course: mean and band, and the mean of the period before.
export function curves({ subject, period, curve, before }) {
  const watts = subject.power;
  const format = (value) => (watts ? power(value) : joined(rounded(value, subject.unit)));
  const half = (curve.time[1] - curve.time[0]) / 2 || 0;
  const middle = curve.time.map((at) => at + half);
  const later = before.curve ? period.start - period.moved(-1).start : 0;
  const values = curve.mean.filter((value) => value !== null);
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  const [least, most] = [curve.min, curve.max].map((column, i) =>
    column.reduce(
      (found, value) =>
        value === null ? found : found === null ? value : i ? Math.max(found, value) : Math.min(found, value),
      null,
    ),
  );
  const both = watts && (subject.exports || least < 0);
  const courses = [
    { name: both ? 'flow' : 'import', times: middle, mean: curve.mean, min: curve.min, max: curve.max, filled: watts },
  ];
  if (before.curve)
    courses.push({ name: 'before', times: before.curve.time.map((at) => at + half + later), mean: before.curve.mean });
  const heads = [t('average'), t('least'), t('most'), ...(before.curve ? [t('period_before')] : [])];
  const at = new Map(before.curve?.time.map((time, i) => [time + later, before.curve.mean[i]]));
  const say = (value) => (typeof value === 'number' ? format(value) : '');
  const items = curve.time.flatMap((time, i) =>
    curve.mean[i] === null
      ? []
      : [
          {
            at: middle[i],
            title: period.title(time),
            cells: [curve.mean[i], curve.min[i], curve.max[i], ...(before.curve ? [at.get(time)] : [])].map(say),
          },
        ],
  );
  const keys = [
    ...(watts ? [{ name: 'import', text: t(both ? 'from_grid' : 'power') }] : []),
    ...(both ? [{ name: 'export', text: t('into_grid') }] : []),
    ...(before.curve ? [{ name: 'before', text: t('period_before') }] : []),
  ];
  return {
    title: watts ? `${t('power')} (kW)` : titled(labelOf(subject), subject),
    axisText: (value) => number(watts ? value / 1000 : value, 3, 0),
    from: period.start,
    to: period.end,
    ticks: period.ticks(),
    least: watts ? 200 : 1,
    free: !watts,
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
  const sides = [
    [imports, 'import', t(single ? 'consumption' : 'import')],
    [exports, 'export', t('export')],
  ].filter(([side]) => side);
  const keys = [
    ...sides.map(([, name, text]) => ({ name, text })),
    ...consumers.map(({ subject }, i) => ({ name: `c${i + 1}`, text: labelOf(subject) })),
  ];
  if (answers.compared) keys.push({ name: 'before', text: t('period_before') });
  const bars = counted.start.map((start, i) => ({
    start,
    end: counted.end[i],
    columns: [
      [
        { name: 'import', value: imports?.amount[i] ?? 0 },
        { name: 'export', value: -(exports?.amount[i] ?? 0) },
      ],
      ...(consumers.length
        ? [consumers.map(({ counted }, c) => ({ name: `c${c + 1}`, value: counted.amount[i] ?? 0 }))]
        : []),
    ],
    before: answers.compared ? [before.imports?.amount[i] ?? 0, -(before.exports?.amount[i] ?? 0)] : [],
    uncertain: uncertain(answers, i),
  }));
  const note = (i) =>
    ['gap', 'swap', 'partial']
      .filter((key) => imports?.[key][i] || exports?.[key][i])
      .map((key) => t(key))
      .join(', ');
  const say = (value) => (typeof value === 'number' ? amount(value, unit) : '');
  const earlier = answers.compared ? (before.imports ?? before.exports) : null;
  const shown = [
    ...sides.map(([side]) => side),
    ...consumers.map(({ counted }) => counted),
    ...(earlier ? [earlier] : []),
  ];
  const items = bars.flatMap(({ start, end }, i) =>
    shown.every((side) => side.amount[i] == null)
      ? []
      : [
          {
            at: (start + end) / 2,
            title: period.title(start, end),
            cells: [...shown.map((side) => say(side.amount[i])), note(i)],
          },
        ],
  );
  return {
    from: period.start,
    to: Math.max(period.end, counted.end.at(-1)),
    ticks: period.ticks(),
    least: 0.1,
    items,
    keys,
    bars,
    heads: [...keys.map(({ text }) => text), t('note')],
    title: titled(t(subject.kind === 'electricity' || subject.kind === 'consumer' ? 'energy' : 'amounts'), subject),
    axisText: (value) => number(value, 3, 0),
    label: t('energy_label', { period: period.label, totals: sentence }),
  };
}
