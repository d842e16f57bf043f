// Now: the live numbers.

import { Hour } from './hour.js';
import { elements, h, icon, set, show, write } from './dom.js';
import { amount, exact, joined, moment, number, percent, power, rounded, watts } from './format.js';
import { house, now, onChange, onRestart, stateOf } from './live.js';
import { labelOf, mainOf, sumOf, valueOf } from './model.js';
import * as today from './today.js';
import { t } from './text.js';

let view;
let cards = []; // {section, update}
let shape = '';

export function start(section) {
  view = section;
  onChange((names) => {
    const other = build();
    if (other) names = null;
    if (view.hidden) return;
    today.refresh(other);
    const every = !names || names.has('');
    for (const card of cards) if (every || names.has(card.section)) card.update();
  });
  onRestart(() => {
    shape = '';
    // The totals come a moment later than the numbers.
    today.refresh(true).then(refresh);
  });
}

export const refresh = () => cards.forEach((card) => card.update());

// Rebuilds the cards if there are other things to show than before.
function build() {
  if (!house.health && !house.sections.size) return false;
  const names = Object.keys(house.health?.sources ?? {});
  const silent = names.filter((name) => !house.subjects.some(({ section }) => section === name));
  const wanted = JSON.stringify([house.subjects, silent, Boolean(house.health)]);
  if (wanted === shape) return false;
  shape = wanted;
  if (house.health && !names.length) {
    cards = [];
    view.replaceChildren(welcome());
    return true;
  }
  const main = mainOf(house.subjects);
  const consumers = house.subjects.filter(({ kind }) => kind === 'consumer');
  const others = house.subjects.filter((subject) => subject !== main && subject.kind !== 'consumer');
  const made = main ? [hero(main), ...(main.phases.length ? [phases(main)] : [])] : [];
  const groups = elements(made);
  const group = (name, members) => {
    made.push(...members);
    if (members.length) groups.push(listed(name, members));
  };
  const ofMain = (subject) => consumer(subject, main);
  group('consumers', consumers.map(ofMain));
  group('more', [...others, ...silent.map(unheard)].map(other));
  cards = made;
  view.replaceChildren(...groups);
  return true;
}

// Card with a title and a list.
const listed = (name, rows) => h(`section.card.${name}`, h('h2', t(name)), h('div.list', elements(rows)));

function welcome() {
  const probe = h('pre', 'smartmeter probe --write config.toml');
  const steps = [h('li', t('welcome_1')), h('li', t('welcome_2'), probe), h('li', t('welcome_3'))];
  const texts = [h('h1', t('welcome')), h('p', t('welcome_text')), h('ol', steps)];
  return h('section.card.welcome', { 'data-test': 'first-start' }, texts);
}

// Line that says that a number is not live, since when and why.
function staleness(name) {
  const [since, reason] = [h('strong'), h('span', { lang: 'en' })];
  const attributes = { 'data-test': `stale-${name}`, hidden: true };
  const element = h('p.stale', attributes, icon('none'), h('span', since, ' ', reason));
  return {
    element,
    update() {
      const state = stateOf(name);
      show(element, !state.live);
      if (!state.live) {
        write(since, state.since ? t('stale', { time: moment(state.since, now()) }) : t('waiting_first'));
        write(reason, state.reason ?? '');
      }
      return state.live;
    },
  };
}

function hero(subject) {
  const { section } = subject;
  const readings = () => house.sections.get(section)?.readings;
  const [figure, words] = ['hero-power', 'hero-direction'].map((name) => h('span', { 'data-test': name }));
  const unit = h('small');
  const line = h('p.figure', figure, unit);
  const arrow = h('span.arrow');
  const stale = staleness(section);
  const hour = subject.power && new Hour(subject);
  const hint = h('p.hint', { hidden: Boolean(subject.power) }, t('no_power'), ' ', t('no_power_hint'));
  const tiles = ['imports', 'exports'].filter((side) => subject[side]).map((side) => tile(subject, side));
  const element = h(
    'article.card.hero',
    { 'data-test': 'hero', 'aria-label': labelOf(subject) },
    h('div.flow', h('p.direction', arrow, words), line, stale.element, hint),
    hour?.element,
    h('div.tiles', elements(tiles)),
  );
  let shown;
  return {
    section,
    element,
    update() {
      const live = stale.update();
      const value = subject.power ? sumOf(subject.power, readings()) : null;
      const count = sumOf(subject.imports, readings());
      const text = subject.power ? watts(Math.abs(value ?? NaN)) : rounded(count ?? NaN, 'kWh');
      const flow = !live || Math.abs(value) <= 0.5 ? 'none' : value > 0 ? 'import' : 'export';
      set(element, { 'data-direction': flow, 'data-stale': String(!live) });
      write(figure, live ? text.figure : '–');
      write(unit, live ? text.unit : '');
      line.classList.toggle('long', live && text.figure.length > 5);
      if (shown !== flow && subject.power) arrow.replaceChildren(icon(flow));
      shown = flow;
      const direction = { import: 'from_grid', export: 'into_grid', none: 'balanced' }[flow];
      write(words, !live ? labelOf(subject) : subject.power ? t(direction) : t('meter_reading'));
      if (live && value !== null) hour?.add(house.sections.get(section).time, value);
      hour?.update(live);
      for (const tile of tiles) tile.update();
    },
  };
}

function tile(subject, side) {
  const name = side === 'exports' ? 'export' : subject.exports ? 'import' : 'consumption';
  const [value, before] = [h('strong'), h('small')];
  const title = h('span', icon(name === 'export' ? 'export' : 'import'), t(`${name}_today`));
  const element = h(`p.tile.${side}`, { 'data-test': `today-${name}` }, title, value, before);
  return {
    element,
    update() {
      const days = today.of(subject, side);
      show(element, days.today !== null);
      write(value, amount(days.today, 'kWh'));
      write(before, days.before === null ? '' : t('yesterday', { value: amount(days.before, 'kWh') }));
    },
  };
}

// Bar that shows a part of `limit`; a negative one goes to the other side.
function bar() {
  const element = h('span.bar');
  return {
    track: h('span.track', { 'aria-hidden': 'true' }, element),
    set(share) {
      element.style.setProperty('--share', Math.max(-1, Math.min(1, share || 0)).toFixed(3));
      element.classList.toggle('out', share < 0);
    },
  };
}

function phases(subject) {
  const { section } = subject;
  let limit = 1000;
  let both = Boolean(subject.exports);
  const rows = subject.phases.flatMap((terms, i) => {
    if (!terms) return [];
    const [scale, value, volts] = [bar(), h('strong.value'), h('small')];
    const name = `L${i + 1}`;
    const element = h('p.phase', { 'data-test': `phase-${name}` }, h('span', name), scale.track, value, volts);
    return [{ terms, scale, value, volts, element, voltage: subject.voltages[i] }];
  });
  const element = listed('phases', rows);
  return {
    section,
    element,
    update() {
      const { live } = stateOf(section);
      const readings = house.sections.get(section)?.readings;
      const values = rows.map(({ terms }) => sumOf(terms, readings));
      for (const value of values) {
        both ||= value < 0;
        // Steps that double: a scale that moves each second says nothing.
        while (Math.abs(value) > limit) limit *= 2;
      }
      element.classList.toggle('both', both);
      rows.forEach((row, i) => {
        row.scale.set(live ? values[i] / limit : 0);
        write(row.value, live && values[i] !== null ? power(values[i]) : '–');
        const volts = live ? sumOf(row.voltage, readings) : null;
        write(row.volts, volts === null ? '' : joined({ figure: number(volts), unit: 'V' }));
      });
    },
  };
}

// A subject in a list: its name and its value, what else is `below`, and whether that is live. `fill` writes what is
// below, and returns the value.
function entry(subject, kind, name, below, fill) {
  const { section, key } = subject;
  const [value, stale] = [h('strong.value'), staleness(section)];
  const head = h('p', h('span.name', labelOf(subject)), value);
  return {
    section,
    element: h(`div.${kind}`, { 'data-test': name, title: key }, head, below, stale.element),
    update() {
      const live = stale.update();
      const readings = house.sections.get(section)?.readings;
      const watts = sumOf(subject.power, readings);
      const { today: used } = today.of(subject, 'imports');
      const text = fill({ live, readings, watts, used });
      write(value, live ? text : '–');
    },
  };
}

const usedToday = (used, unit) => (used === null ? null : t('today_value', { value: amount(used, unit) }));

function consumer(subject, main) {
  const { section } = subject;
  const [scale, day] = [bar(), h('small', { 'data-test': `today-${section}` })];
  let limit = 500;
  return entry(subject, 'consumer', `consumer-${section}`, [scale.track, day], ({ live, readings, watts, used }) => {
    while (watts > limit) limit *= 2;
    scale.set(live ? watts / limit : 0);
    // Of what was drawn, where nothing else feeds the house.
    const drawn = main && !main.exports ? today.of(main, 'imports').today : null;
    const share = used !== null && drawn > 0 && used <= drawn ? t('share', { share: percent(used / drawn) }) : null;
    write(day, [usedToday(used, 'kWh'), share].filter(Boolean).join(' · '));
    return watts === null ? amount(sumOf(subject.imports, readings), 'kWh') : power(watts);
  });
}

// Subject of a source without readings so far.
const unheard = (section) => ({ section, key: section, kind: 'other' });

// Card of any other subject: its main value, and its consumption today.
function other(subject) {
  const { main, kind, key, unit } = subject;
  const note = h('small');
  return entry(subject, 'other', `card-${key}`, note, ({ live, readings, watts, used }) => {
    const flow = watts === null ? null : t(watts < 0 ? 'into_grid' : 'from_grid');
    const counted = usedToday(used, unit);
    write(note, [live && kind === 'electricity' ? flow : null, counted].filter(Boolean).join(' · '));
    if (kind !== 'electricity') return joined(rounded((main && valueOf(readings?.[main.name])) ?? '–', unit));
    return watts === null ? exact(sumOf(subject.imports, readings) ?? '–', 'kWh') : power(watts);
  });
}
