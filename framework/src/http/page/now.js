// Now: the live numbers.
import { costTile, ownTile, refresh as refreshBalance } from './balance.js';
import { elements, h, icon, say, set, show, write } from './dom.js';
import { flow, hasFlow } from './flow.js';
import { age, amount, exact, guessed, joined, moment, number, percent, power, rounded, time, watts } from './format.js';
import { digits, full } from './digits.js';
import { Hour } from './hour.js';
import { ageOf, house, now, onChange, onRestart, onResume, saidOf, stateOf } from './live.js';
import { isConsumer, labelOf, mainOf, sumOf, valueOf, wayOf, WORDS_OF_WAYS } from './model.js';
import { explain } from './reasons.js';
import * as today from './today.js';
import { t } from './text.js';

/** @typedef {{section: string, element: HTMLElement, sections?: string[], update: () => void, resume?: () => void}} Card */

/** @type {HTMLElement} */
let view;
/** @type {Card[]} */
let cards = [];
let shape = '';
/** @type {Subject | null} */
let main = null;

/** @param {HTMLElement} section */
export function start(section) {
  view = section;
  onChange((names) => {
    const other = build();
    if (view.hidden) return;
    today.refresh(other);
    refreshBalance(main, hasFlow(main), other);
    const every = other || names.has('');
    /** @type {(card: Card) => boolean} */
    const isOf = (card) => names.has(card.section) || Boolean(card.sections?.some((name) => names.has(name)));
    for (const card of cards) if (every || isOf(card)) card.update();
  });
  onRestart(() => {
    shape = '';
    set(view, { 'data-ready': 'false' });
    // The totals come a moment later than the numbers.
    Promise.all([today.refresh(true), refreshBalance(main, hasFlow(main), true)]).then(() => {
      open();
      set(view, { 'data-ready': 'true' });
    });
  });
  onResume(() => cards.forEach((card) => card.resume?.()));
}

// Called when the view is shown.
export const open = () => cards.forEach((card) => card.update());

// Rebuilds the cards if there are other things to show than before.
function build() {
  if (!house.health && !house.sections.size) return false;
  const names = Object.keys(house.health?.sources ?? {});
  /** @type {(name: string) => boolean} */
  const isShown = (name) => house.subjects.some(({ section }) => section === name);
  const silent = names.filter((name) => !isShown(name) && saidOf(name).role !== 'hidden');
  const wanted = JSON.stringify([house.subjects, silent, Boolean(house.health)]);
  if (wanted === shape) return false;
  shape = wanted;
  if (house.health && !names.length) {
    cards = [];
    view.replaceChildren(welcome());
    return true;
  }
  main = mainOf(house.subjects);
  const beside = house.subjects.filter((subject) => subject !== main);
  const consumers = beside.filter(isConsumer);
  const others = beside.filter((subject) => !isConsumer(subject));
  /** @type {Card[]} */
  const made = main ? [hero(main), ...(main.phases?.length ? [phases(main)] : [])] : [];
  const groups = elements(made);
  /** @type {(name: string, members: Card[], note?: HTMLElement) => void} */
  const group = (name, members, note) => {
    made.push(...members);
    if (members.length) groups.push(listed(name, members, note));
  };
  const bars = new Bars('consumers', 500);
  /** @type {(subject: Subject) => Card} */
  const ofMain = (subject) => consumer(subject, main, bars);
  group('consumers', consumers.map(ofMain), bars.note);
  group('more', [...others, ...silent.map(unheard)].map(other));
  cards = made;
  view.replaceChildren(...groups);
  return true;
}

// Card with a title, a note beside it, and a list.
/** @type {(name: string, rows: {element: HTMLElement}[], note?: HTMLElement) => HTMLElement} */
const listed = (name, rows, note) =>
  h(`section.card.${name}`, h('header', h('h2', t(name)), note), h('div.list', elements(rows)));

function welcome() {
  const steps = ['welcome_1', 'welcome_2', 'welcome_3'].map((key) => h('li', t(key)));
  const find = h('a.button.primary@first-find', { href: '#find' }, t('find'));
  const others = h('a.button@first-add', { href: '#setup' }, t('add_other'));
  const texts = [h('h1', t('welcome')), h('p', t('welcome_text')), h('ol', steps), h('p.buttons', find, others)];
  return h('section.card.welcome@first-start', texts);
}

// Lines that say that a live number is older than usual; or that a number is not live, since when and why.
/** @param {string} name */
function staleness(name) {
  const [since, reason] = [h('strong'), h('span')];
  const stale = h(
    `p.stale@stale-${name}`,
    { hidden: true },
    icon('none'),
    h('span', since, ' ', reason),
  );
  const late = h(`p.late@age-${name}`, { hidden: true });
  return {
    elements: [late, stale],
    update() {
      const state = stateOf(name);
      const silence = ageOf(name);
      say(late, silence === null ? null : t('late', { age: age(now() - silence, now()) }));
      const unknown = state.state === 'unknown';
      show(stale, !state.live && !(unknown && !state.since));
      if (!state.live) {
        const key = unknown ? 'last_at' : 'stale';
        write(since, state.since ? t(key, { time: moment(state.since, now()) }) : t('waiting_first'));
        explain(reason, state.reason);
      }
      return state.live;
    },
  };
}

/** @type {(subject: Subject) => Card} */
function hero(subject) {
  const { section } = subject;
  const readings = () => house.sections.get(section)?.readings;
  const [figure, words] = ['hero-power', 'hero-direction'].map((name) => h(`span@${name}`));
  const unit = h('small');
  const line = h('p.figure', figure, unit);
  const arrow = h('span.arrow');
  const stale = staleness(section);
  const hour = subject.power && new Hour(subject);
  const hint = h('p.hint', { hidden: Boolean(subject.power) }, t('no_power'), ' ', t('no_power_hint'));
  const counted = today.SIDES.filter((side) => subject[side]).map((side) => tile(subject, side));
  const tiles = [...counted, ownTile(), costTile()];
  const picture = hasFlow(subject) ? flow(subject) : null;
  const element = h(
    'article.card.hero@hero',
    { 'aria-label': labelOf(subject) },
    h('div.flow', h('p.direction', arrow, words), line, stale.elements, hint),
    picture?.element,
    hour?.element,
    h('div.tiles', elements(tiles)),
  );
  /** @type {string | undefined} */
  let shown;
  return {
    section,
    sections: picture?.sections,
    element,
    resume: () => void hour?.load(),
    update() {
      const live = stale.update();
      const value = subject.power ? sumOf(subject.power, readings()) : null;
      const count = sumOf(subject.imports, readings());
      const text = subject.power ? watts(Math.abs(value ?? NaN)) : rounded(count ?? NaN, 'kWh');
      const flow = live && value !== null ? wayOf(value) : 'none';
      set(element, { 'data-direction': flow, 'data-stale': String(!live) });
      // The figure may be in kW.
      const exact = (subject.power ? Math.abs(value ?? NaN) : (count ?? NaN)) / (text.unit === 'kW' ? 1000 : 1);
      set(write(figure, live ? text.figure : '–'), { 'data-exact': live && Number.isFinite(exact) ? digits(exact) : null });
      write(unit, live ? (text.unit ?? '') : '');
      line.classList.toggle('long', live && text.figure.length > 5);
      if (shown !== flow && subject.power) arrow.replaceChildren(icon(flow));
      shown = flow;
      write(words, !live ? labelOf(subject) : subject.power ? t(WORDS_OF_WAYS[flow]) : t('meter_reading'));
      const time = house.sections.get(section)?.time;
      if (live && value !== null && time) hour?.add(time, value);
      hour?.update(live);
      picture?.update();
      for (const tile of tiles) tile.update();
    },
  };
}

/** @type {(subject: Subject, side: 'imports' | 'exports') => {element: HTMLElement, update: () => void}} */
function tile(subject, side) {
  const name = side === 'exports' ? 'export' : subject.exports ? 'import' : 'consumption';
  const [value, before] = [h('strong'), h('small')];
  const title = h('span', icon(name === 'export' ? 'export' : 'import'), t(`${name}_today`));
  const element = h(`p.tile.${side}@today-${name}`, title, value, before);
  return {
    element,
    update() {
      const days = today.of(subject, side);
      show(element, days.today.value !== null);
      set(write(value, counted(days.today, 'kWh')), { 'data-exact': exactly(days.today.value, 'kWh') });
      const since = days.today.since === null ? null : t('since', { time: time(days.today.since) });
      write(
        before,
        since ?? (days.before.value === null ? '' : t('yesterday', { value: counted(days.before, 'kWh') })),
      );
    },
  };
}

// Bars of one card, on a scale that all of them share and that is said in a note. It fits the largest value of the last
// ten minutes, in steps that double: a scale that moves each second says nothing.
class Bars {
  #least;
  #both;
  /** @type {Map<string, {element: HTMLElement, value: number}>} */
  #bars = new Map(); // by name
  /** @type {Map<number, number>} */
  #peaks = new Map(); // minute → largest value

  /** @param {string} card @param {number} least */
  constructor(card, least, both = false) {
    this.#least = least;
    this.#both = both;
    this.note = h(`small@scale-${card}`);
  }

  // Returns the track of a new bar.
  /** @param {string} name */
  add(name) {
    const element = h('span.bar');
    this.#bars.set(name, { element, value: 0 });
    return h('span.track', { 'aria-hidden': 'true' }, element);
  }

  // Sets watts; a negative value goes to the other side.
  /** @type {(name: string, value: Value) => void} */
  set(name, value) {
    const own = this.#bars.get(name);
    if (own) own.value = value ?? 0;
    const minute = Math.floor(performance.now() / 60_000);
    this.#peaks.set(minute, Math.max(this.#peaks.get(minute) ?? 0, Math.abs(value ?? 0)));
    for (const old of this.#peaks.keys()) if (old <= minute - 10) this.#peaks.delete(old);
    const peak = Math.max(...this.#peaks.values());
    let limit = this.#least;
    while (limit < peak) limit *= 2;
    this.#both ||= (value ?? 0) < 0;
    write(
      this.note,
      t(this.#both ? 'scale_both' : 'scale', { value: joined({ figure: number(limit / 1000, 1, 0), unit: 'kW' }) }),
    );
    for (const { element, value } of this.#bars.values()) {
      element.style.setProperty('--share', (value / limit).toFixed(3));
      element.classList.toggle('out', value < 0);
      element.parentElement?.classList.toggle('both', this.#both);
    }
  }
}

/** @type {(subject: Subject) => Card} */
function phases(subject) {
  const { section, voltages = [] } = subject;
  const bars = new Bars('phases', 1000, Boolean(subject.exports));
  const rows = (subject.phases ?? []).flatMap((terms, i) => {
    if (!terms) return [];
    const [value, volts] = [h('strong.value'), h('small')];
    const name = `L${i + 1}`;
    const element = h(`p.phase@phase-${name}`, h('span', name), bars.add(name), value, volts);
    return [{ name, terms, value, volts, element, voltage: voltages[i] }];
  });
  const element = listed('phases', rows, bars.note);
  element.classList.toggle('volts', voltages.some(Boolean));
  return {
    section,
    element,
    update() {
      const { live } = stateOf(section);
      const readings = house.sections.get(section)?.readings;
      rows.forEach((row) => {
        const watts = live ? sumOf(row.terms, readings) : null;
        bars.set(row.name, watts);
        set(write(row.value, watts === null ? '–' : power(watts)), { 'data-exact': exactly(watts, 'W') });
        const volts = live ? sumOf(row.voltage, readings) : null;
        write(row.volts, volts === null ? '' : joined({ figure: number(volts), unit: 'V' }));
      });
    },
  };
}

// A subject in a list: its name and its value, what else is `below`, and whether that is live. `fill` writes what is
// below, and returns the value.
/** @typedef {{live: boolean, readings: Readings | undefined, watts: Value, used: import('./today.js').Day}} Shown */
/** @type {(subject: Subject, kind: string, name: string, below: Child, fill: (shown: Shown) => string) => Card} */
function entry(subject, kind, name, below, fill) {
  const { section, key } = subject;
  const [value, stale] = [h('strong.value'), staleness(section)];
  const head = h('p', symbolOf(subject), h('bdi.name', labelOf(subject)), value);
  return {
    section,
    element: h(`div.${kind}@${name}`, { title: key }, head, below, stale.elements),
    update() {
      const live = stale.update();
      const readings = house.sections.get(section)?.readings;
      const watts = sumOf(subject.power, readings);
      const { today: used } = today.of(subject, 'imports');
      const text = fill({ live, readings, watts, used });
      const own = kind === 'other' && subject.kind !== 'electricity' && subject.main && valueOf(readings?.[subject.main.name]);
      const exact = typeof own === 'number' ? exactly(own, subject.unit) : exactly(watts, 'W');
      set(write(value, live ? text : '–'), { 'data-exact': live ? exact : null });
    },
  };
}

// Picture of what a subject counts or measures, where it is none of electricity.
/** @type {(subject: Subject) => Child} */
function symbolOf({ kind, medium }) {
  const of = kind === 'volume' ? medium : kind;
  return of && ['heat', 'cold', 'gas', 'water', 'temperature'].includes(of) ? set(icon(of), { class: `icon of-${of}` }) : null;
}

// What is copied of a number that is shown rounded.
/** @type {(value: unknown, unit?: string) => string | null} */
const exactly = (value, unit) => (typeof value === 'number' ? full(value, unit) : null);

/** @type {(day: import('./today.js').Day, unit: string) => string} */
const counted = ({ value, guess }, unit) => guessed(amount(value ?? NaN, unit), guess);
/** @type {(used: import('./today.js').Day, unit: string) => string | null} */
const usedToday = (used, unit) => {
  if (used.value === null) return null;
  const value = counted(used, unit);
  return used.since ? t('today_since', { value, time: time(used.since) }) : t('today_value', { value });
};
/** @type {(subject: Subject, readings: Readings | undefined) => string} */
const reading = (subject, readings) => exact(sumOf(subject.imports, readings) ?? '–', subject.unit);

/** @type {(subject: Subject, main: Subject | null, bars: Bars) => Card} */
function consumer(subject, main, bars) {
  const { section } = subject;
  const day = h(`small@today-${section}`);
  return entry(
    subject,
    'consumer',
    `consumer-${section}`,
    [bars.add(section), day],
    ({ live, readings, watts, used }) => {
      bars.set(section, live ? watts : null);
      // Of what was drawn, where nothing else feeds the house.
      const drawn = main && !main.exports ? today.of(main, 'imports').today : used;
      const known = drawn !== used && !drawn.guess && !used.guess && used.value !== null;
      const [part, all] = [used.value ?? 0, drawn.value ?? 0];
      const share = known && all > 0 && part <= all ? t('share', { share: percent(part / all) }) : null;
      // The power follows from the distance of two pulses; until then there is the count only.
      const count = live && watts === null ? t('no_power_yet', { value: reading(subject, readings) }) : null;
      write(day, [count, usedToday(used, 'kWh'), share].filter(Boolean).join(' · '));
      return watts === null ? '–' : power(watts);
    },
  );
}

const NOTHING = { unit: '', power: null, imports: null, exports: null, first: 0 };

// Subject of a source without readings so far.
/** @type {(section: string) => Subject} */
const unheard = (section) => ({ ...NOTHING, section, key: section, kind: 'other', ...saidOf(section) });

// Card of any other subject: its main value, and its consumption today.
/** @type {(subject: Subject) => Card} */
function other(subject) {
  const { main, kind, key, unit } = subject;
  const note = h('small');
  return entry(subject, 'other', `card-${key}`, note, ({ live, readings, watts, used }) => {
    const flow = flowWords(subject, watts);
    const fed = today.of(subject, 'exports').today;
    const both = used.value !== null && fed.value !== null;
    const day = both
      ? `${t('drawn', { value: usedToday(used, unit) ?? '' })}, ${t('fed', { value: counted(fed, unit) })}`
      : usedToday(used, unit);
    const counts = kind === 'heat' || kind === 'cold';
    const below = live && counts ? [watts === null ? null : reading(subject, readings), ...detailsOf(subject, readings)] : [];
    write(note, [live && kind === 'electricity' ? flow : null, day, ...below].filter(Boolean).join(' · '));
    if (kind !== 'electricity' && watts === null) return joined(rounded((main && valueOf(readings?.[main.name])) ?? '–', unit));
    // A producer's power has the sign of its wiring.
    return watts === null ? reading(subject, readings) : power(subject.role === 'production' ? Math.abs(watts) : watts);
  });
}

// What else a heat meter says: how warm the water comes and goes, and how much of it.
/** @type {(subject: Subject, readings: Readings | undefined) => string[]} */
const detailsOf = ({ details = [] }, readings) =>
  details.flatMap(({ name, meaning: { quantity, unit } }) => {
    const value = valueOf(readings?.[name]);
    const words = /** @type {const} */ (['flow_temperature', 'return_temperature', 'temperature_difference', 'volume_flow']).find((end) => name.endsWith(end));
    if (typeof value !== 'number' || !(words || quantity === 'volume')) return [];
    const text = joined(rounded(value, unit));
    return [words ? `${t(words)}\u00a0${text}` : text];
  });

/** @type {(subject: Subject, watts: Value) => string} */
function flowWords({ role }, watts) {
  if (role === 'production') return t('role_production');
  if (watts === null) return t('meter_reading');
  if (role === 'storage') return t(watts < 0 ? 'flow_storage_in' : 'flow_storage_out');
  return t(watts < 0 ? 'into_grid' : 'from_grid');
}
