// History: hours to years from the journal.

import { Chart } from './chart.js';
import { button, elements, h, icon, on, set, show, write } from './dom.js';
import { setZone } from './format.js';
import { house, now, onRestart, readSeries, saidOf } from './live.js';
import { arranged, isConsumer, labelOf, mainOf, subjectsOf } from './model.js';
import { KINDS, Period } from './period.js';
import { columns, curves, totals } from './plots.js';
import { consumption, course } from './query.js';
import { t } from './text.js';

// Consumers that have a colour of their own.
const COLOURS = 6;
const REFRESH = 5 * 60_000;

let view;
let subjects = [];
let subject;
let kind = 'day';
let period;
let pending; // the running requests
let loaded = 0; // time of the last successful load

// A phone's chart has no room for more points.
const narrow = matchMedia('(max-width: 43.74em)');
const parts = {};

export function start(section) {
  view = section;
  const step = (name, count) => {
    const attributes = { 'data-test': name, title: t(name), 'aria-label': t(name) };
    return button(attributes, icon(name), () => move(count));
  };
  parts.meter = on(h('select', { 'data-test': 'meter', 'aria-label': t('meter'), hidden: true }), 'change', () => {
    subject = subjects.find(({ key }) => key === parts.meter.value);
    load();
  });
  parts.kinds = KINDS.map((name) => button({ 'data-test': `range-${name}` }, t(name), () => choose(name)));
  parts.prev = step('prev', -1);
  parts.next = step('next', 1);
  parts.today = button({ 'data-test': 'today' }, t('today'), () => choose(kind));
  parts.label = h('h1', { 'data-test': 'period', 'aria-live': 'polite' });
  parts.box = on(h('input', { type: 'checkbox', 'data-test': 'compare' }), 'change', load);
  parts.compare = h('label.check', parts.box, t('compare'));
  parts.totals = h('p.totals', { 'data-test': 'totals' });
  parts.reason = h('span');
  const retry = button({ 'data-test': 'retry' }, t('retry'), open);
  const attributes = { 'data-test': 'history-error', role: 'alert', hidden: true };
  parts.error = h('div.card.error', attributes, h('strong', t('history_failed')), parts.reason, retry);
  parts.charts = [new Chart('power'), new Chart('energy')];
  parts.empty = h('p.hint', { hidden: true }, t('nothing_here'));
  const kinds = h('div.chips', { role: 'group', 'aria-label': t('range') }, parts.kinds);
  const steps = h('div.steps', parts.prev, parts.label, parts.next);
  parts.controls = h('div.controls', kinds, parts.meter);
  parts.chosen = h('div.card.period', steps, parts.totals, h('div.choices', parts.compare, parts.today));
  const charts = elements(parts.charts);
  parts.body = h('div.ranges', parts.controls, parts.chosen, parts.error, parts.empty, charts);
  const nothing = (name, code) => {
    const texts = [h('h1', t(`history_${name}`)), h('p', t(`history_${name}_text`)), code && h('pre', code)];
    return h('section.card.welcome', { 'data-test': `history-${name}`, hidden: true }, texts);
  };
  parts.off = nothing('off', '[journal]\nenabled = true');
  parts.none = nothing('empty');
  view.append(parts.off, parts.none, parts.body);
  onRestart(open);
  // The current period is updated, and followed by the next one.
  setInterval(() => {
    const old = !view.hidden && !document.hidden && loaded && now() - loaded > REFRESH;
    if (old && period.contains(loaded)) choose(kind);
  }, 60_000);
}

// Called when the view is shown.
export async function open() {
  if (view.hidden || !house.series) return;
  if (!house.series.length || now() - loaded > 3_600_000) await readSeries();
  const off = Boolean(house.health) && !house.health.journal;
  const [has, failed] = [house.series.length > 0, !off && house.historyError !== null];
  show(parts.off, off);
  show(parts.none, !off && !failed && !has);
  show(parts.body, has || failed);
  // Without a series there is no range to choose.
  show(parts.controls, has);
  show(parts.chosen, has);
  if (!has) return failed && fail(house.historyError);
  readSubjects();
  const running = !period || period.contains(now()) || period.start > now();
  if (running) choose(kind);
  else load();
}

function readSubjects() {
  const sections = new Map();
  for (const series of house.series) {
    const entries = sections.get(series.section) ?? new Map();
    sections.set(series.section, entries);
    const other = entries.get(series.name);
    const from = Math.min(Date.parse(series.from), other ? other.from : Infinity);
    // A name that had several units counts by the one that it has now.
    const newest = !other || Date.parse(series.to) >= other.to ? series : other;
    const to = Date.parse(newest.to) || newest.to;
    entries.set(series.name, { name: series.name, meaning: newest.meaning, from, to });
  }
  const order = Object.keys(house.health?.sources ?? {});
  const place = (name) => order.indexOf(name) + 1 || Infinity;
  const names = [...sections.keys()].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  const all = names.flatMap((name) => {
    const entries = [...sections.get(name).values()];
    const first = Math.min(...entries.map(({ from }) => from));
    return subjectsOf(name, entries).map((subject) => ({ ...subject, first }));
  });
  subjects = arranged(all, saidOf);
  const main = mainOf(subjects);
  if (main) subjects = [main, ...subjects.filter((subject) => subject !== main)];
  subject = subjects.find(({ key }) => key === subject?.key) ?? subjects[0];
  const option = (each) => h('option', { value: each.key, selected: each === subject }, labelOf(each));
  parts.meter.replaceChildren(...subjects.map(option));
  show(parts.meter, subjects.length > 1);
}

function choose(name) {
  kind = name;
  period = Period.of(kind, now(), Math.min(...subjects.map(({ first }) => first)));
  load();
}

function move(count) {
  period = period.moved(count);
  load();
}

// The consumers that belong to the main meter.
const consumersOf = (chosen) =>
  chosen === mainOf(subjects)
    ? subjects.filter((subject) => subject !== chosen && isConsumer(subject) && subject.imports).slice(0, COLOURS)
    : [];

async function load() {
  pending?.abort();
  pending = new AbortController();
  const { signal } = pending;
  set(view, { 'data-ready': 'false' });
  parts.kinds.forEach((button, i) => set(button, { 'aria-pressed': String(KINDS[i] === kind) }));
  show(parts.error, false);
  show(parts.compare, kind !== 'all');
  parts.next.disabled = kind === 'all' || period.end > now();
  parts.prev.disabled = kind === 'all' || period.start <= subject.first;
  show(parts.today, !period.contains(now()));
  write(parts.label, period.label);
  try {
    const answers = await read(subject, signal);
    if (signal.aborted) return;
    const start = performance.now();
    draw(answers);
    performance.clearMeasures('chart');
    performance.measure('chart', { start, end: performance.now() });
    loaded = now();
    set(view, { 'data-ready': 'true' });
  } catch (error) {
    if (!signal.aborted) fail(error.message);
  }
}

// The charts of another range are hidden, because they would be wrong.
function fail(reason) {
  for (const element of [...elements(parts.charts), parts.empty]) show(element, false);
  write(parts.totals, '');
  set(view, { 'data-ready': 'failed' });
  write(parts.reason, reason);
  show(parts.error, true);
}

// Requests everything that a range needs, at once.
async function read(chosen, signal) {
  const { section, main, imports, exports } = chosen;
  const terms = chosen.power ?? (imports ? null : [{ name: main.name, factor: 1 }]);
  const step = `&step=${period.steps[narrow.matches ? 1 : 0]}`;
  const count = (who, terms, when) => terms && consumption(who, terms, `${when.range}&per=${when.per}`, signal);
  const follow = (when) => terms && course(section, terms, when.range + step, signal);
  const earlier = kind === 'all' ? null : period.moved(-1);
  const compared = parts.box.checked && earlier;
  const drawn = consumersOf(chosen).map(async (subject) => ({
    subject,
    counted: await count(subject.section, subject.imports, period),
  }));
  const [consumers, curve, taken, fed, ...before] = await Promise.all([
    Promise.all(drawn),
    follow(period),
    count(section, imports, period),
    count(section, exports, period),
    compared && follow(compared),
    earlier && count(section, imports, earlier),
    compared && count(section, exports, compared),
  ]);
  return {
    subject: chosen,
    period,
    curve,
    imports: taken,
    exports: fed,
    before: { curve: before[0], imports: before[1], exports: before[2] },
    consumers,
    compared: Boolean(compared),
  };
}

function draw(answers) {
  const counted = answers.imports ?? answers.exports;
  if (counted) setZone(counted.zone);
  write(parts.label, period.label);
  const has = (column) => column?.some((value) => value !== null) ?? false;
  const values = has(answers.curve?.mean);
  const counts = has(answers.imports?.amount) || has(answers.exports?.amount);
  // The bar of a single hour says no more than the sentence.
  const bars = counts && kind !== 'hour';
  const sentence = counts ? totals(answers) : '';
  write(parts.totals, sentence);
  show(parts.empty, !values && !counts);
  const [power, energy] = parts.charts;
  show(power.element, values);
  show(energy.element, bars);
  if (values) power.show(curves(answers));
  if (bars) energy.show(columns(answers, counted, sentence));
}
