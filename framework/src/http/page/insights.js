// Worth knowing: standby, peaks, the greatest day, the heat pump over the weather, and the voltage; each leads to its
// place in the history.

import { current, go } from './address.js';
import { localDay, localMinute, valid } from './calendar.js';
import { heading, month, named, notice, takeCsv } from './days.js';
import { button, h, on, s, set, table } from './dom.js';
import { amount, guessed, joined, moment, number, power } from './format.js';
import { askLong, house, now, onRestart } from './live.js';
import { refusal } from './reasons.js';
import { scale, extent } from './scale.js';
import { known, t } from './text.js';

/** @type {HTMLElement} */
let view;
/** @type {HTMLElement} */
let body;
/** @type {HTMLElement} */
let taken;
let asked = 0;

/** @typedef {import('./days.js').Cell} Cell */

/** @param {HTMLElement} section */
export function start(section) {
  view = section;
  body = h('div.masonry@insights');
  taken = h('div');
  view.append(...heading('insights'), body, taken);
  onRestart(() => view.hidden || open(current()));
}

// Called when the view is shown: `path` has the rule by which peaks are shown, and a month such as `2026-11`.
/** @param {{path: string[]}} address */
export async function open({ path: [rule, wanted] }) {
  if (!house.health) return;
  set(view, { 'data-ready': 'false' });
  asked += 1;
  const mine = asked;
  const chosen = valid(`${wanted}-01`) ? wanted : null;
  const answer = await askLong(`insights${chosen ? `?month=${chosen}` : ''}`).catch(() => null);
  if (mine !== asked) return;
  set(view, { 'data-ready': 'true' });
  if (!answer?.ok) {
    taken.replaceChildren();
    return body.replaceChildren(notice('insights-failed', refusal(answer)));
  }
  const insights = /** @type {Insights} */ (answer.json);
  const { standby, peaks, greatest_day: day, heat_pump: pump, voltage } = insights;
  const recent = standby.trend.filter(({ watts }) => watts !== null);
  const cards = [
    standby.watts !== null && standbyCard(standby, standby.watts, recent),
    peaks.some(({ kw }) => kw !== null) && peaksCard(peaks, rule, insights.month, recent),
    day && dayCard(day),
    pump.points.length > 0 && pumpCard(pump),
    voltage.length > 0 && voltageCard(voltage),
  ].flatMap((card) => card || []);
  body.replaceChildren(...(cards.length ? cards : [notice('insights-none', t('no_insight'))]));
  taken.replaceChildren(...(cards.length ? [takeCsv('insights', insights.month, () => csvOf(insights))] : []));
}

// All of it for a spreadsheet: a number in each row.
/** @type {(insights: Insights) => [string[], Cell[][]]} */
function csvOf({ standby, peaks, greatest_day: day, heat_pump: pump, voltage }) {
  const heads = [t('name'), t('date'), t('show'), t('value'), t('unit'), t('note')];
  /** @type {(sure: {unsure: boolean, reason?: string} | undefined) => string} */
  const note = (sure) => (sure?.unsure ? `≈ ${why(sure)}` : '');
  /** @type {Cell[][]} */
  const rows = [
    ...standby.trend.map(({ month, ...sure }) => [t('standby'), month, '', sure.watts, 'W', note(sure)]),
    ...peaks.map((peak) => [t('peaks'), peak.at === null ? peak.month : localMinute(peak.at), t(`rule_${peak.rule}`), peak.kw, 'kW', note(peak)]),
    ...(day ? [[t('greatest_day'), day.day, '', day.kwh, 'kWh', note(day)]] : []),
    ...pump.points.flatMap((point) => [
      [t('heat_pump'), point.day, t('energy'), point.kwh, 'kWh', note(pump)],
      [t('heat_pump'), point.day, t('outside'), point.temperature, '°C', note(pump)],
    ]),
    ...voltage.flatMap((phase) =>
      /** @type {const} */ ([['least', 'min'], ['average', 'mean'], ['most', 'max']]).map(([text, key]) => [t('voltage'), '', `${phase.phase ?? phase.name}: ${t(text)}`, phase[key], 'V', note(phase)]),
    ),
  ];
  return [heads, rows];
}

/** @type {(sure: {reason?: string}) => string} */
const why = ({ reason }) => known(`why_${reason}`) ?? t('why_thin');

// Card of one thing that is worth knowing. What is unsure says so, and why.
/** @type {(name: string, sure: Sure | undefined, ...content: Child[]) => HTMLElement} */
const card = (name, sure, ...content) =>
  h(
    `article.card.insight.stack@insight-${name}`,
    h('h2', t(name)),
    ...content,
    sure?.unsure ? h(`p.hint@${name}-why`, `≈ ${why(sure)}`) : null,
  );

/** @type {(text: string, unsure: boolean) => HTMLElement} */
const figure = (text, unsure) => h('p.insight-figure', guessed(text, unsure));

// Link to a day or a month in the history.
/** @type {(kind: string, date: string, text: string) => HTMLElement} */
const place = (kind, date, text) => h('a', { href: `#history/${kind}/${date}` }, text);
/** @type {(at: number) => HTMLElement} */
const placeOf = (at) => place('day', localDay(at), moment(at, now()));

// A list of values with bars on one scale: `[title, value, text]`.
/** @typedef {[Child, Value, string]} Row */
/** @type {(rows: Row[], label: string) => HTMLElement} */
function bars(rows, label) {
  const most = Math.max(...rows.map(([, value]) => value ?? 0)) || 1;
  /** @type {(row: Row) => HTMLElement} */
  const row = ([title, value, text]) => {
    const bar = h('span.bar');
    bar.style.setProperty('--share', Math.max(0, (value ?? 0) / most).toFixed(3));
    return h('li', h('span', title), h('span.track', { 'aria-hidden': 'true' }, bar), h('strong.value', text));
  };
  return h('ul.plain.scale-list', { 'aria-label': label }, rows.map(row));
}

/** @type {(name: string) => string} */
const monthName = (name) => month(`${name}-01`);
/** @type {(name: string) => HTMLElement} */
const monthOf = (name) => place('month', name, monthName(name));

/** @type {(sure: Sure, watts: number, recent: Standby[]) => HTMLElement} */
function standbyCard(sure, watts, recent) {
  // One month's nights tell nothing of a year.
  const sum = recent.reduce((sum, { watts }) => sum + (watts ?? 0), 0);
  const isYear = recent.length >= 12 && recent.every(({ unsure }) => !unsure);
  const year = isYear ? t('standby_year', { value: amount(((sum / recent.length) * 8760) / 1000, 'kWh') }) : '';
  /** @type {(month: Standby) => Row} */
  const row = ({ month, watts, unsure }) => [monthOf(month), watts, guessed(power(watts ?? 0), unsure)];
  const trend = recent.length > 1 ? bars(recent.map(row), t('history')) : null;
  return card('standby', sure, figure(power(watts), sure.unsure), h('p.hint', `${t('standby_text')} ${year}`.trim()), trend);
}

// A list of choices; each has an address.
/**
 * @param {string} test
 * @param {string} title
 * @param {[string, string][]} options
 * @param {string} chosen
 * @param {(value: string) => string[]} pathOf
 */
function choice(test, title, options, chosen, pathOf) {
  const list = /** @type {HTMLSelectElement} */ (h(`select@${test}`, options.map(([value, text]) => h('option', { value, selected: value === chosen }, text))));
  return h('label.choice', title, on(list, 'change', () => go({ view: 'insights', path: pathOf(list.value) })));
}

// Peak of a month by the rule of a grid operator, and the moments that it is made of.
/** @type {(peaks: Peak[], wanted: string, shown: string, recent: Standby[]) => HTMLElement} */
function peaksCard(peaks, wanted, shown, recent) {
  const peak = peaks.find(({ rule }) => rule === wanted) ?? peaks[0];
  /** @type {(value: number) => string} */
  const kw = (value) => joined({ figure: number(value, 2), unit: 'kW' });
  /** @type {[string, string][]} */
  const rules = peaks.map(({ rule }) => [rule, t(`rule_${rule}`)]);
  /** @type {[string, string][]} */
  const months = [...new Set([...recent.map(({ month }) => month), shown])].map((day) => [day, monthName(day)]);
  const moments = peak.parts ?? (peak.at && peak.kw !== null ? [{ at: peak.at, kw: peak.kw }] : []);
  return card(
    'peaks',
    peak,
    choice('peak-month', t('month'), months, shown, (month) => [peak.rule, month]),
    choice('peak-rule', t('peak_rule'), rules, peak.rule, (rule) => [rule, shown]),
    figure(peak.kw === null ? '–' : kw(peak.kw), peak.unsure),
    h('p.hint', known(`rule_${peak.rule}_text`) ?? ''),
    bars(moments.map(({ at, kw: value }) => [placeOf(at), value, kw(value)]), t('peaks')),
  );
}

/** @type {(day: NonNullable<Insights['greatest_day']>) => HTMLElement} */
function dayCard({ day, kwh, ...sure }) {
  return card('greatest_day', sure, figure(amount(kwh, 'kWh'), sure.unsure), h('p', place('day', day, named(day))));
}

// Points of the heat pump: a day each, its energy over the temperature outside.
/** @type {(pump: HeatPump) => HTMLElement} */
function pumpCard({ points, ...sure }) {
  // Letters grow with those of the page, and their space with them.
  const grown = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  const [wide, high, left, top, bottom] = [360, 170 + 60 * grown, 40 * grown, 24 * grown, 42 * grown];
  /** @type {(value: number) => string} */
  const degrees = (value) => joined({ figure: number(value, 1), unit: '°C' });
  const axes = /** @type {const} */ (['temperature', 'kwh']).map((key) => scale(extent(points.map((point) => point[key]), 1, key === 'temperature'), 5));
  /** @type {(value: number) => number} */
  const x = (value) => left + ((value - axes[0].low) / (axes[0].high - axes[0].low)) * (wide - left - 12 * grown);
  /** @type {(value: number) => number} */
  const y = (value) => top + ((axes[1].high - value) / (axes[1].high - axes[1].low)) * (high - bottom - top);
  const marks = [
    ...axes[1].marks.flatMap((mark) => [s('line.grid', { x1: left, x2: wide - 12 * grown, y1: y(mark), y2: y(mark) }), s('text', { x: left - 6, y: y(mark) + 4 * grown, 'text-anchor': 'end' }, number(mark, 1, 0))]),
    ...axes[0].marks.map((mark) => s('text', { x: x(mark), y: high - bottom + 18 * grown, 'text-anchor': 'middle' }, number(mark, 1, 0))),
    s('text', { x: wide - 12, y: high - 6 * grown, 'text-anchor': 'end' }, `${t('outside')} (°C)`),
    s('text', { x: 0, y: 12 * grown }, 'kWh'),
  ];
  const dots = points.map(({ day, temperature, kwh }) => {
    const title = s('title', `${named(day)}: ${amount(kwh, 'kWh')}, ${degrees(temperature)}`);
    const dot = s('circle.dot', { cx: x(temperature).toFixed(1), cy: y(kwh).toFixed(1), r: 4 }, title);
    return s('a', { href: `#history/day/${day}`, tabindex: -1 }, dot);
  });
  const sorted = points.toSorted((a, b) => a.temperature - b.temperature);
  const [cold, warm] = [sorted[0], sorted[sorted.length - 1]];
  const label = t('pump_label', { count: number(points.length), cold: degrees(cold.temperature), most: amount(cold.kwh, 'kWh'), warm: degrees(warm.temperature), least: amount(warm.kwh, 'kWh') });
  const picture = s('svg@pump-chart', { viewBox: `0 0 ${wide} ${high}`, role: 'img', 'aria-label': label }, marks, dots);
  const rows = points.map(({ day, temperature, kwh }) => [place('day', day, named(day)), degrees(temperature), amount(kwh, 'kWh')]);
  /** @type {(kind: string) => HTMLElement} */
  const take = (kind) => button(`${kind}-pump`, kind.toUpperCase(), async () => (await import('./picture.js')).savePicture(kind, t('heat_pump'), picture, t('heat_pump'), []), { 'aria-label': t('take_label', { name: t('heat_pump'), kind }) });
  const details = h('details', h('summary', t('as_table')), h('div.scroll', table([t('day'), t('outside'), t('energy')], rows, label)));
  return card('heat_pump', sure, h('p.hint', label), h('figure', h('div.plot.scatter', picture), details, h('p.take', t('take'), ['png', 'svg'].map(take))));
}

/** @type {(phases: Voltage[]) => HTMLElement} */
function voltageCard(phases) {
  /** @type {(value: number) => string} */
  const volts = (value) => joined({ figure: number(value, 1), unit: 'V' });
  /** @type {(phase: Voltage) => HTMLElement} */
  const row = ({ phase, name, min, mean, max, outside_minutes: outside, at }) => {
    const range = t('voltage_range', { min: volts(min), max: volts(max), mean: volts(mean) });
    const beyond = outside ? h('small', ` ${t('voltage_outside', { count: number(outside) })}: `, at ? placeOf(at) : '') : null;
    return h('li', h('strong', phase ?? name), ` ${range}`, beyond);
  };
  const rows = h('ul.plain', phases.map(row));
  return card('voltage', phases.find(({ unsure }) => unsure), h('p.hint', t('voltage_text')), rows);
}
