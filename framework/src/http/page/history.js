// History: the last hour to years, from the journal.
//
// Address: `#history/<range>/<date>/<meter>?compare=before|year&show=<reading>&in=money`. Without a date it is the
// current period, and follows the clock.

import { current, go, replace } from './address.js';
import { read, readTariffs } from './answers.js';
import { whyUnsure } from './balance.js';
import { Chart } from './chart.js';
import { choicesOf, optionsOf, subjectsOfHistory } from './choice.js';
import { tell } from './command.js';
import { button, elements, h, icon, on, say, set, show, write } from './dom.js';
import { setZone } from './format.js';
import { house, now, onRestart, readSeries } from './live.js';
import { recall, remember } from './memory.js';
import { isConsumer, labelOf, mainOf } from './model.js';
import { KINDS, Period } from './period.js';
import { columns, courses, hasMoney } from './plots.js';
import { onSwipe } from './swipe.js';
import { t } from './text.js';
import { has, sentence, since, tiles, used } from './tiles.js';

/** @typedef {import('./answers.js').Answers} Answers */
/** @typedef {import('./period.js').KindName} KindName */

const REFRESH = 5 * 60_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NAME = 'history';

/** @type {HTMLElement} */
let view;
/** @type {Subject[]} */
let subjects = [];
/** @type {Subject} */
let subject;
/** @type {import('./choice.js').Choice[]} */
let choices = [];
/** @type {Period} */
let period;
// Whether the period is the current one, and is followed by the next one.
let isCurrent = true;
// The moment that was chosen last: a change of the range keeps it.
let chosen = 0;
/** @type {'' | 'before' | 'year'} */
let compare = '';
let shown = '';
let inMoney = false;
/** @type {AbortController | undefined} */
let pending;
let loaded = 0; // time of the last successful load

// A phone's chart has no room for more points.
const narrow = matchMedia('(max-width: 43.74em)');

const parts = build();

function build() {
  /** @type {(name: string, count: number) => HTMLButtonElement} */
  const step = (name, count) =>
    button(name, icon(name), () => move(count), { title: t(name), 'aria-label': t(name) });
  /** @type {(name: string, handler: (value: string) => void) => HTMLSelectElement} */
  const select = (name, handler) => {
    const made = h(`select@${name}`, { 'aria-label': t(name), hidden: true });
    on(made, 'change', () => handler(made.value));
    return made;
  };
  /** @type {(test: string, key: string, handler: () => void) => HTMLElement} */
  const toggle = (test, key, handler) => button(test, t(key), handler, { 'aria-pressed': 'false' });
  /** @type {(test: string, handler: () => void) => HTMLInputElement} */
  const box = (test, handler) => on(h(`input@${test}`, { type: 'checkbox' }), 'change', handler);
  /** @type {(name: string, code?: string) => HTMLElement} */
  const nothing = (name, code) => {
    const texts = [h('h1', t(`history_${name}`)), h('p', t(`history_${name}_text`)), code && h('pre', code)];
    return h(`section.card.welcome@history-${name}`, { hidden: true }, texts);
  };
  const reason = h('span');
  const field = h('input@date', { 'aria-label': t('date') });
  return {
    meter: select('meter', (key) => to({ meter: key, show: '' })),
    choice: select('show', (key) => to({ show: key })),
    kinds: KINDS.map((name) => button(`range-${name}`, t(name), () => choose(name))),
    prev: step('prev', -1),
    next: step('next', 1),
    today: button('today', t('today'), () => to({ date: '' })),
    label: h('h1@period', { 'aria-live': 'polite' }),
    field: on(field, 'change', () => jump(field.value)),
    before: box('compare', () => to({ compare: compare === 'before' ? '' : 'before' })),
    year: box('compare-year', () => to({ compare: compare === 'year' ? '' : 'year' })),
    compared: h('span.compare', { role: 'group', 'aria-label': t('compare') }, h('span.check', t('compare'))),
    money: toggle('money', 'money', () => to({ money: !inMoney })),
    since: h('p.hint'),
    tiles: h('div.tiles'),
    used: h('p.used'),
    why: h('p.hint@balance-why'),
    reason,
    error: h('div.card.error@history-error', { role: 'alert', hidden: true }, h('strong', t('history_failed')), reason, button('retry', t('retry'), () => again())),
    charts: [new Chart('energy'), new Chart('power')],
    empty: h('p.hint', { hidden: true }, t('nothing_here')),
    off: nothing('off', '[journal]\nenabled = true'),
    none: nothing('empty'),
    controls: h('div.controls'),
    period: h('div.card.period'),
    body: h('div.ranges'),
  };
}

/** @param {HTMLElement} section */
export function start(section) {
  view = section;
  const { controls, body, charts } = parts;
  controls.append(h('div.chips', { role: 'group', 'aria-label': t('range') }, parts.kinds), parts.meter, parts.choice);
  const totals = h('div.totals@totals', parts.since, parts.tiles, parts.used, parts.why);
  const checks = [h('label.check', parts.before, t('compare_before')), h('label.check', parts.year, t('compare_year'))];
  parts.compared.append(...checks);
  const group = h('div.choices', parts.field, parts.today, parts.compared, parts.money);
  parts.period.append(h('div.steps', parts.prev, parts.label, parts.next), totals, group);
  body.append(controls, parts.period, parts.error, parts.empty, ...elements(charts));
  // There is nothing to see or to save before the first answer.
  for (const element of elements(charts)) show(element, false);
  view.append(parts.off, parts.none, body);
  onSwipe(view, move);
  onRestart(again);
  // The current period is updated, and followed by the next one.
  setInterval(() => {
    const age = loaded ? now() - loaded : 0;
    const old = age > (period?.kind === 'hour' ? MINUTE : REFRESH);
    if (isCurrent && old && !view.hidden && !document.hidden) again();
  }, MINUTE / 2);
}

const again = () => open(current());

/**
 * Called when the view is shown, and when its address changes.
 * @param {{view: string, path: string[], query: Record<string, string>}} address
 */
export async function open({ view: name, path, query }) {
  if (name !== NAME || view.hidden || !house.series) return;
  set(view, { 'data-ready': 'false' });
  if (!house.series.length || now() - loaded > 3_600_000) await readSeries();
  const off = house.health !== null && !house.health.journal;
  const [some, failed] = [house.series.length > 0, !off && house.historyError !== null];
  show(parts.off, off);
  show(parts.none, !off && !failed && !some);
  show(parts.body, some || failed);
  // Without a series there is no range to choose.
  show(parts.controls, some);
  show(parts.period, some);
  if (!some) {
    if (failed) fail(house.historyError ?? '');
    else set(view, { 'data-ready': 'true' });
    return;
  }
  subjects = subjectsOfHistory();
  take(path, query);
  await load();
}

// Takes what an address says; what it leaves out is as it was chosen last.
/** @type {(path: string[], query: Record<string, string>) => void} */
function take([range, date, meter], query) {
  const before = recall(NAME);
  const wanted = KINDS.find((kind) => kind === (range || before.kind)) ?? 'day';
  const key = range ? meter : before.meter;
  subject = subjects.find(({ key: own }) => own === key) ?? subjects[0];
  const dated = date ? Period.parse(wanted, date) : null;
  isCurrent = !dated;
  const first = Math.min(...subjects.map(({ first }) => first));
  period = dated ?? Period.of(wanted, now(), first);
  if (isCurrent) chosen = now();
  else if (!period.contains(chosen)) chosen = period.contains(now()) ? now() : period.start;
  compare = query.compare === 'before' || query.compare === 'year' ? query.compare : '';
  choices = choicesOf(subject);
  shown = choices.some(({ key }) => key === query.show) ? query.show : '';
  inMoney = query.in === 'money';
  remember(NAME, { kind: wanted, meter: subject === subjects[0] ? '' : subject.key });
  // The address says what is shown also where a part was left out, or made no sense.
  const isWrong = date && !dated;
  if (isWrong) tell('bad', t('no_date', { date }));
  if (!range || isWrong) replace(address({}));
}

/**
 * The address of what is shown, with a difference.
 * @param {{kind?: string, date?: string, meter?: string, compare?: string, show?: string, money?: boolean}} change
 * @returns {Address}
 */
function address(change) {
  const now = {
    kind: period.kind,
    date: isCurrent ? '' : period.date,
    meter: subject.key,
    compare,
    show: shown,
    money: inMoney,
    ...change,
  };
  const meter = now.meter === subjects[0].key ? '' : now.meter;
  const query = { compare: now.compare, show: now.show, in: now.money ? 'money' : '' };
  return { view: NAME, path: [now.kind, now.date, meter], query };
}

// Shows something else, in an address of its own.
/** @type {(change: Parameters<typeof address>[0]) => void} */
const to = (change) => go(address(change));

// Another range keeps the date.
/** @type {(kind: KindName) => void} */
function choose(kind) {
  if (kind === 'all' || isCurrent) return to({ kind, date: '' });
  const isOver = now() - chosen > HOUR;
  const next = kind === 'hour' && isOver ? new Period('hour', chosen) : Period.of(kind, chosen);
  to({ kind, date: next.date });
}

/** @type {(count: number) => void} */
function move(count) {
  if (count < 0 ? parts.prev.disabled : parts.next.disabled) return;
  const next = period.moved(count);
  chosen = next.start;
  // The newest period follows the clock.
  const isNewest = next.end > now() - (period.kind === 'hour' ? 10 * MINUTE : 0);
  to({ date: isNewest ? '' : next.date });
}

// A date that is still being typed names no year of a meter.
/** @type {(date: string) => void} */
function jump(date) {
  const next = Period.parse(period.kind, date);
  if (!next || next.start < 0) return;
  chosen = next.start;
  to({ date: next.date });
}

// A bar opens what it is made of.
/** @type {(at: number) => void} */
function openBar(at) {
  const next = period.opened(at);
  if (!next) return;
  chosen = next.start;
  to({ kind: next.kind, date: next.date });
}

const labelOfPeriod = () => (isCurrent && period.kind === 'hour' ? t('last_minutes') : period.label);

function fillControls() {
  const { kind, field } = period;
  parts.kinds.forEach((button, i) => set(button, { 'aria-pressed': String(KINDS[i] === kind) }));
  /** @type {(select: HTMLSelectElement, options: {value: string, text: string}[], value: string) => void} */
  const fill = (select, options, value) => {
    select.replaceChildren(...options.map((one) => h('option', { value: one.value, selected: one.value === value }, one.text)));
    show(select, options.length > 1);
  };
  fill(parts.meter, optionsOf(subjects), subject.key);
  const own = t(subject.power ? 'power_and_energy' : subject.imports ? 'amounts' : 'course');
  fill(parts.choice, [{ value: '', text: own }, ...choices.map(({ key, text }) => ({ value: key, text }))], shown);
  show(parts.field, Boolean(field));
  if (field) {
    // A browser without such a field shows one of a day.
    parts.field.type = field;
    if (parts.field.type === 'text') parts.field.type = 'date';
    const value = parts.field.type === 'date' ? new Date(period.anchor).toISOString().slice(0, 10) : period.date;
    if (document.activeElement !== parts.field || parts.field.value === '') parts.field.value = value;
    set(parts.field, field === 'number' ? { min: 1990, max: 2199 } : { min: null, max: null });
  }
  const isAll = kind === 'all';
  show(parts.compared, !isAll);
  parts.before.checked = compare === 'before';
  parts.year.checked = compare === 'year';
  set(parts.money, { 'aria-pressed': String(inMoney) });
  parts.next.disabled = isAll || period.end > now();
  parts.prev.disabled = isAll || period.start <= subject.first;
  show(parts.today, !isCurrent);
  write(parts.label, labelOfPeriod());
}

// The consumers that belong to the main meter.
const consumersOf = () =>
  subjects.filter((other) => other !== subject && isConsumer(other) && other.imports);

async function load() {
  pending?.abort();
  pending = new AbortController();
  const { signal } = pending;
  show(parts.error, false);
  fillControls();
  const isMain = subject === mainOf(subjects);
  const produces = subjects.some(({ role }) => role === 'production');
  const choice = choices.find(({ key }) => key === shown) ?? null;
  const wish = { subject, choice, period, compare, money: inMoney, narrow: narrow.matches, isMain, produces };
  try {
    const answers = await read({ ...wish, consumers: isMain ? consumersOf() : [] }, subjects, signal, labelOf);
    const why = [await whyUnsure(answers.balance), lacksPrice(answers) && t('cost_unsure')].filter(Boolean).join(' ');
    if (signal.aborted) return;
    const start = performance.now();
    draw(answers, why);
    performance.clearMeasures('chart');
    performance.measure('chart', { start, end: performance.now() });
    show(parts.money, hasMoney(answers) && Boolean(await readTariffs()));
    loaded = now();
    set(view, { 'data-ready': 'true' });
  } catch (error) {
    if (!signal.aborted) fail(error instanceof Error ? error.message : String(error));
  }
}

// The charts of another range are hidden, because they would be wrong.
/** @type {(reason: string) => void} */
function fail(reason) {
  for (const element of [...elements(parts.charts), parts.empty]) show(element, false);
  fillTiles(null);
  set(view, { 'data-ready': 'failed' });
  write(parts.reason, reason);
  show(parts.error, true);
}

/** @type {(answers: Answers | null, why?: string) => void} */
function fillTiles(answers, why) {
  const made = (answers ? tiles(answers) : []).map(({ name, label, value, more }) =>
    h(`div.tile@tile-${name}`, h('span', label), h('strong', value), ...more.map((text) => h('small', text))),
  );
  const begin = answers && made.length ? since(answers) : '';
  write(parts.since, begin);
  show(parts.since, Boolean(begin));
  parts.tiles.replaceChildren(...made);
  say(parts.why, why);
  const consumers = answers && !answers.wish.choice ? used(answers) : [];
  write(parts.used, consumers.join(', '));
  show(parts.used, consumers.length > 0);
}

/** @type {(answers: Answers) => boolean} */
const lacksPrice = ({ imports, exports, balance }) => [imports, exports, balance].some((costs) => costs?.cost_gap?.some(Boolean));

/** @type {(answers: Answers, why: string) => void} */
function draw(answers, why) {
  const { imports, exports, lines, curve } = answers;
  const counted = imports ?? exports ?? lines.find(({ counted }) => counted)?.counted ?? null;
  if (counted?.zone) setZone(counted.zone);
  write(parts.label, labelOfPeriod());
  const there = lines.filter(({ curve, counted }) => has(curve?.mean) || has(counted?.amount));
  const values = has(curve?.mean) || there.some((line) => line.curve);
  const counts = has(imports?.amount) || has(exports?.amount) || there.some((line) => line.counted);
  // The bar of a single hour says no more than its tile.
  const bars = counts && period.kind !== 'hour';
  fillTiles(answers, why);
  show(parts.empty, !values && !counts);
  const [energy, power] = parts.charts;
  show(power.element, values);
  show(energy.element, bars);
  const drawn = { ...answers, lines: there };
  if (values) power.show(courses(drawn));
  if (bars) energy.show(columns(drawn, sentence(answers), openBar));
}
