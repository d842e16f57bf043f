// History: hours to years from the journal.

import { Chart } from './chart.js';
import { h, icon, on, set, show, write } from './dom.js';
import { setZone } from './format.js';
import { house, now, onRestart, readSeries } from './live.js';
import { labelOf, mainOf, subjectsOf } from './model.js';
import { KINDS, Period } from './period.js';
import { columns, curves, totals, uncertain } from './plots.js';
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
const narrow = matchMedia('(max-width: 699px)');
const parts = {};

export function start(section) {
  view = section;
  const button = (name, content, handler) =>
    on(
      h(
        'button',
        { type: 'button', 'data-test': name, title: t(name), 'aria-label': content ? t(name) : null },
        content ?? t(name),
      ),
      'click',
      handler,
    );
  parts.meter = on(h('select', { 'data-test': 'meter', 'aria-label': t('meter'), hidden: true }), 'change', () => {
    subject = subjects.find(({ key }) => key === parts.meter.value);
    load();
  });
  parts.kinds = KINDS.map((name) =>
    on(h('button', { type: 'button', 'data-test': `range-${name}`, 'aria-pressed': 'false' }, t(name)), 'click', () =>
      choose(name),
    ),
  );
  parts.prev = button('prev', icon('prev'), () => move(-1));
  parts.next = button('next', icon('next'), () => move(1));
  parts.today = button('today', null, () => choose(kind));
  parts.label = h('h1', { 'data-test': 'period', 'aria-live': 'polite' });
  parts.box = on(h('input', { type: 'checkbox', 'data-test': 'compare' }), 'change', load);
  parts.compare = h('label', { class: 'check' }, parts.box, t('compare'));
  parts.totals = h('p', { class: 'totals', 'data-test': 'totals' });
  parts.reason = h('span');
  parts.retry = on(h('button', { type: 'button', 'data-test': 'retry' }, t('retry')), 'click', load);
  parts.error = h(
    'div',
    { class: 'card error', 'data-test': 'history-error', role: 'alert', hidden: true },
    h('strong', {}, t('history_failed')),
    parts.reason,
    parts.retry,
  );
  parts.charts = { power: new Chart('power'), energy: new Chart('energy') };
  parts.marks = h('p', { class: 'hint', hidden: true }, t('marks'));
  parts.empty = h('p', { class: 'hint', hidden: true }, t('nothing_here'));
  parts.body = h(
    'div',
    { class: 'ranges' },
    h(
      'div',
      { class: 'controls' },
      h('div', { class: 'chips', role: 'group', 'aria-label': t('range') }, ...parts.kinds),
      parts.meter,
    ),
    h(
      'div',
      { class: 'card period' },
      h('div', { class: 'steps' }, parts.prev, parts.label, parts.next),
      parts.totals,
      h('div', { class: 'choices' }, parts.compare, parts.today),
    ),
    parts.error,
    parts.empty,
    parts.charts.power.element,
    parts.charts.energy.element,
    parts.marks,
  );
  const nothing = (name, code) =>
    h(
      'section',
      { class: 'card welcome', 'data-test': name, hidden: true },
      h('h1', {}, t(name.replace('-', '_'))),
      h('p', {}, t(`${name.replace('-', '_')}_text`)),
      code && h('pre', {}, code),
    );
  parts.off = nothing('history-off', '[journal]\nenabled = true');
  parts.none = nothing('history-empty');
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
  show(parts.off, off);
  show(parts.none, !off && !house.historyError && !house.series.length);
  show(parts.body, Boolean(house.series.length) || (!off && Boolean(house.historyError)));
  if (!house.series.length) {
    if (house.historyError) fail(house.historyError);
    return;
  }
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
    entries.set(series.name, {
      name: series.name,
      meaning: newest.meaning,
      from,
      to: Date.parse(newest.to) || newest.to,
    });
  }
  const order = Object.keys(house.health?.sources ?? {});
  const place = (name) => order.indexOf(name) + 1 || Infinity;
  const names = [...sections.keys()].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  subjects = names.flatMap((name) => {
    const entries = [...sections.get(name).values()];
    const first = Math.min(...entries.map(({ from }) => from));
    return subjectsOf(name, entries).map((subject) => ({ ...subject, first }));
  });
  const main = mainOf(subjects);
  if (main) subjects = [main, ...subjects.filter((subject) => subject !== main)];
  subject = subjects.find(({ key }) => key === subject?.key) ?? subjects[0];
  parts.meter.replaceChildren(
    ...subjects.map((each) => h('option', { value: each.key, selected: each === subject }, labelOf(each))),
  );
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
  chosen === mainOf(subjects) ? subjects.filter(({ kind }) => kind === 'consumer').slice(0, COLOURS) : [];

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
  for (const { element } of Object.values(parts.charts)) show(element, false);
  for (const element of [parts.empty, parts.marks]) show(element, false);
  write(parts.totals, '');
  set(view, { 'data-ready': 'failed' });
  write(parts.reason, reason);
  show(parts.error, true);
}

// Requests everything that a range needs, at once.
async function read(chosen, signal) {
  const { section, main, imports, exports } = chosen;
  const curve = chosen.power ?? (imports ? null : [{ name: main.name, factor: 1 }]);
  const before = period.moved(-1);
  const step = `&step=${period.step[narrow.matches ? 1 : 0]}`;
  const count = (who, terms, when) => terms && consumption(who, terms, `${when.range}&per=${when.per}`, signal);
  const follow = (when) => curve && course(section, curve, when.range + step, signal);
  const earlier = kind !== 'all';
  const compared = earlier && parts.box.checked;
  const consumers = consumersOf(chosen);
  const [now, then] = [
    [follow(period), count(section, imports, period), count(section, exports, period)],
    [
      compared ? follow(before) : null,
      earlier ? count(section, imports, before) : null,
      compared ? count(section, exports, before) : null,
    ],
  ];
  const [a, b, c] = await Promise.all([
    Promise.all(now),
    Promise.all(then),
    Promise.all(consumers.map((consumer) => count(consumer.section, consumer.imports, period))),
  ]);
  return {
    subject: chosen,
    period,
    curve: a[0],
    imports: a[1],
    exports: a[2],
    before: { curve: b[0], imports: b[1], exports: b[2] },
    consumers: consumers.map((consumer, i) => ({ subject: consumer, counted: c[i] })),
    compared,
  };
}

function draw(answers) {
  const counted = answers.imports ?? answers.exports;
  if (counted) setZone(counted.zone);
  write(parts.label, period.label);
  const values = answers.curve?.mean.some((value) => value !== null);
  const bars = counted?.amount.some((_, i) => answers.imports?.amount[i] != null || answers.exports?.amount[i] != null);
  const sentence = bars ? totals(answers) : '';
  write(parts.totals, sentence);
  show(parts.empty, !values && !bars);
  show(parts.charts.power.element, Boolean(values));
  // The bar of a single hour says no more than the sentence.
  show(parts.charts.energy.element, Boolean(bars) && kind !== 'hour');
  show(parts.marks, Boolean(bars) && kind !== 'hour' && counted.amount.some((_, i) => uncertain(answers, i)));
  if (values) parts.charts.power.show(curves(answers));
  if (bars && kind !== 'hour') parts.charts.energy.show(columns(answers, counted, sentence));
}
