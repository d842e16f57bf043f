// Now: the live numbers.

import { Hour } from './hour.js';
import { h, icon, set, show, write } from './dom.js';
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
  const groups = [
    ...made.map(({ element }) => element),
    ...group(
      t('consumers'),
      consumers.map((subject) => consumer(subject, main)),
      'consumers',
    ),
    ...group(t('more'), [...others, ...silent.map(unheard)].map(other), 'more'),
  ];
  function group(title, members, name) {
    made.push(...members);
    const list = h('div', { class: 'list' }, ...members.map(({ element }) => element));
    return members.length ? [h('section', { class: `card ${name}` }, h('h2', {}, title), list)] : [];
  }
  cards = made;
  view.replaceChildren(...groups);
  return true;
}

function welcome() {
  const step = (text, ...more) => h('li', {}, text, ...more);
  return h(
    'section',
    { class: 'card welcome', 'data-test': 'first-start' },
    h('h1', {}, t('welcome')),
    h('p', {}, t('welcome_text')),
    h(
      'ol',
      {},
      step(t('welcome_1')),
      step(t('welcome_2'), h('pre', {}, 'smartmeter probe --write config.toml')),
      step(t('welcome_3')),
    ),
  );
}

// Line that says that a number is not live, since when and why.
function staleness(name) {
  const [since, reason] = [h('strong'), h('span', { lang: 'en' })];
  const element = h(
    'p',
    { class: 'stale', 'data-test': `stale-${name}`, hidden: true },
    icon('none'),
    h('span', {}, since, ' ', reason),
  );
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
  const { section, exports } = subject;
  const readings = () => house.sections.get(section)?.readings;
  const [figure, unit, words] = [
    h('span', { 'data-test': 'hero-power' }),
    h('small'),
    h('span', { 'data-test': 'hero-direction' }),
  ];
  const line = h('p', { class: 'figure' }, figure, unit);
  const arrow = h('span', { class: 'arrow' });
  const stale = staleness(section);
  const hour = subject.power && new Hour(subject);
  const hint = h('p', { class: 'hint', hidden: Boolean(subject.power) }, t('no_power'), ' ', t('no_power_hint'));
  const tiles = ['imports', 'exports'].filter((side) => subject[side]).map((side) => tile(subject, side));
  const element = h(
    'article',
    { class: 'card hero', 'data-test': 'hero', 'aria-label': labelOf(subject) },
    h('div', { class: 'flow' }, h('p', { class: 'direction' }, arrow, words), line, stale.element, hint),
    hour?.element,
    h('div', { class: 'tiles' }, ...tiles.map((tile) => tile.element)),
  );
  let shown;
  return {
    section,
    element,
    update() {
      const live = stale.update();
      const value = subject.power ? sumOf(subject.power, readings()) : null;
      const text = subject.power
        ? watts(Math.abs(value ?? NaN))
        : rounded(sumOf(subject.imports, readings()) ?? NaN, 'kWh');
      const flow =
        !live || !subject.power || value === null ? 'none' : value > 0.5 ? 'import' : value < -0.5 ? 'export' : 'none';
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

  function tile(subject, side) {
    const name = side === 'exports' ? 'export' : exports ? 'import' : 'consumption';
    const [value, before] = [h('strong', {}, '–'), h('small')];
    const element = h(
      'p',
      { class: `tile ${side}`, 'data-test': `today-${name}` },
      h('span', {}, icon(name === 'export' ? 'export' : 'import'), t(`${name}_today`)),
      value,
      before,
    );
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
}

// Bar that shows a part of `limit`; a negative one goes to the other side.
function bar() {
  const element = h('span', { class: 'bar' });
  return {
    track: h('span', { class: 'track', 'aria-hidden': 'true' }, element),
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
    const [scale, value, volts] = [bar(), h('strong', { class: 'value' }), h('small')];
    const name = `L${i + 1}`;
    const element = h(
      'p',
      { class: 'phase', 'data-test': `phase-${name}` },
      h('span', {}, name),
      scale.track,
      value,
      volts,
    );
    return [{ terms, scale, value, volts, element, voltage: subject.voltages[i] }];
  });
  const list = h('div', { class: 'list' }, ...rows.map(({ element }) => element));
  return {
    section,
    element: h('section', { class: 'card phases' }, h('h2', {}, t('phases')), list),
    update() {
      const { live } = stateOf(section);
      const readings = house.sections.get(section)?.readings;
      const values = rows.map(({ terms }) => sumOf(terms, readings));
      for (const value of values) {
        both ||= value < 0;
        // Steps that double: a scale that moves each second says nothing.
        while (Math.abs(value) > limit) limit *= 2;
      }
      list.classList.toggle('both', both);
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
function entry(subject, attributes, below, fill) {
  const { section } = subject;
  const [value, stale] = [h('strong', { class: 'value' }), staleness(section)];
  const head = h('p', {}, h('span', { class: 'name' }, labelOf(subject)), value);
  return {
    section,
    element: h('div', attributes, head, ...below, stale.element),
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
  const attributes = { class: 'consumer', 'data-test': `consumer-${section}`, title: section };
  return entry(subject, attributes, [scale.track, day], ({ live, readings, watts, used }) => {
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
  const attributes = { class: 'other', 'data-test': `card-${key}`, title: key };
  return entry(subject, attributes, [note], ({ live, readings, watts, used }) => {
    const flow = watts === null ? null : t(watts < 0 ? 'into_grid' : 'from_grid');
    const counted = usedToday(used, unit);
    write(note, [live && kind === 'electricity' ? flow : null, counted].filter(Boolean).join(' · '));
    if (kind !== 'electricity') return joined(rounded((main && valueOf(readings?.[main.name])) ?? '–', unit));
    return watts === null ? exact(sumOf(subject.imports, readings) ?? '–', 'kWh') : power(watts);
  });
}
