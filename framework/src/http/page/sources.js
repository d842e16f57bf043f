// Sources: the status of each one, all its readings, and its commands.
import { form } from './command.js';
import { full } from './digits.js';
import { button, elements, h, on, say, set, show, write } from './dom.js';
import { age, exact, moment, number } from './format.js';
import { faultOf, house, nameOf, now, onChange, readingsOf, saidOf, stateOf } from './live.js';
import { describe, titled, valueOf } from './model.js';
import { explain, told } from './reasons.js';
import { known, t } from './text.js';
import { keepToken, token } from './token.js';

/** @typedef {{element: HTMLElement, update: () => void}} Card */
/** @typedef {import('./reasons.js').Reason} Reason */

/** @type {HTMLElement} */
let view;
/** @type {Card[]} */
let cards = [];
let shape = '';
let listed = ''; // the problems that are shown
const head = {
  state: h('h1@summary'),
  problems: h('ul.problems@problems'),
  program: h('p.hint'),
  journal: h('p.hint@journal'),
};
const leave = button('log-out', '', logOut, { hidden: true });

const saves = button('csv-readings', t('take_readings'), saveReadings);

// What a reading of /data says beside its value.
/** @type {(reading: Reading) => {timestampUTC?: string, unit?: string, OBIS_Code?: string, more?: string[]}} */
const detailsOf = (reading) => (reading !== null && typeof reading === 'object' ? reading : {});

// Saves the newest readings of all sources as a table.
async function saveReadings() {
  const { saveCsv, timeHeads } = await import('./take.js');
  const rows = [...house.sections].flatMap(([section, known]) =>
    readingsOf(known).map(([name, reading]) => {
      const value = valueOf(reading);
      const { timestampUTC, unit: own, OBIS_Code: code } = detailsOf(reading);
      const at = Date.parse(timestampUTC ?? '') || known.time;
      const unit = known.meanings[name]?.unit ?? own;
      return [{ at }, nameOf(section), name, code, typeof value === 'number' ? value : String(value), unit];
    }),
  );
  const heads = ['meter', 'name', 'code', 'value', 'unit'].map((key) => t(key));
  saveCsv(`${t('all_readings')}-${new Date(now()).toISOString().slice(0, 10)}`, [...timeHeads(), ...heads], rows);
}

/** @param {HTMLElement} section */
export function start(section) {
  view = section;
  onChange(() => {
    if (!view.hidden) open();
  });
  // Ages grow also without events.
  setInterval(() => !view.hidden && !document.hidden && open(), 1000);
}

// Called when the view is shown, and when something has changed.
export function open() {
  const { health } = house;
  if (!health) return;
  const groups = { sources: source, publishers: publisher, endpoints: endpoint };
  const names = Object.keys(groups).map((group) => Object.keys(health[group]));
  const wanted = JSON.stringify([names, house.commands, names[0].map(saidOf)]);
  if (wanted !== shape) {
    shape = wanted;
    const made = Object.values(groups).map((card, i) => names[i].map((name) => card(name)));
    cards = made.flat();
    const lists = Object.keys(groups).flatMap((group, i) => {
      const title = group === 'sources' ? null : h('h2.above', t(group));
      return made[i].length ? [title, h('div.cards', elements(made[i]))] : [];
    });
    const add = h('a.button@add', { href: '#setup' }, t('add'));
    view.replaceChildren(h('header.summary', Object.values(head), h('p.buttons', add, saves, leave)), ...lists.flatMap((one) => one ?? []));
  }
  summary();
  for (const card of cards) card.update();
}

/** @type {(state: string) => string} */
const stateText = (state) => t(state === 'stale' ? 'state_stale' : state);

// What needs attention of one that works nevertheless.
/** @type {(status: Status) => Reason | null} */
const problemOf = ({ state, problem, problem_code: code }) =>
  problem ? { code: state === 'delivering' && code === 'silent' ? 'silent_in_part' : code, message: problem } : null;

// State in a card: one that works may have a problem nevertheless, such as a count that cannot be saved.
/** @type {(state: string, status: Status) => string} */
const withProblem = (state, { problem }) => (state === 'delivering' && problem ? 'problem' : state);

// Returns what needs attention, as texts. Nothing is known while the program cannot be reached.
export function problems() {
  if (!house.health || house.offlineSince) return [];
  const { uptime_seconds: uptime, journal, backup, sources, publishers, endpoints } = house.health;
  // A source takes a moment to begin, and a publisher waits for something to deliver.
  /** @type {(status: Status) => boolean} */
  const isWell = ({ state, backlog, problem }) =>
    !problem && (state === 'delivering' || (state === 'starting' && (!backlog || uptime < 60)));
  /** @type {(all: Record<string, Status>, titleOf: (name: string) => string) => string[]} */
  const said = (all, titleOf) =>
    Object.entries(all)
      .filter(([, status]) => !isWell(status))
      .map(([name, status]) => {
        const problem = problemOf(status);
        return `${titleOf(name)}: ${problem ? told(problem) : stateText(status.state)}`;
      });
  const found = [...said(sources, nameOf), ...said(publishers, words), ...said(endpoints, words)];
  const isSlow = journal?.state === 'opening' && uptime >= 60;
  if (journal?.state === 'degraded' || isSlow) found.push(`${t('history')}: ${t(`journal_${journal.state}`)}`);
  else if (journal && house.historyError) found.push(`${t('history_failed')}: ${house.historyError}`);
  if (backup?.problem) found.push(`${t('backup')}: ${backup.problem}`);
  return found;
}

function summary() {
  if (!house.health) return;
  const { version, started, journal, backup, sources } = house.health;
  const found = problems();
  write(leave, t('log_out'));
  show(leave, Boolean(house.health.session || token()));
  const none = Object.keys(sources).length ? 'all_well' : 'no_source';
  write(head.state, t(house.offlineSince ? 'unreachable' : found.length ? 'some_ill' : none));
  show(head.problems, found.length > 0);
  if (found.join('\n') !== listed) head.problems.replaceChildren(...found.map((text) => h('li', text)));
  listed = found.join('\n');
  say(head.program, house.offlineSince ? null : t('program', { version, time: moment(Date.parse(started), now()) }));
  const reasons = [journal?.problem, journal?.notice, journal?.clock].filter(Boolean).join('; ');
  const state = `${t('journal')} ${t(`journal_${journal?.state ?? 'none'}`)}${reasons ? `: ${reasons}` : '.'}`;
  const last = backup?.last_success;
  const backedUp = last ? ` ${t('backup')}: ${moment(Date.parse(last), now())}.` : '';
  say(head.journal, house.offlineSince ? null : state + backedUp);
}

// Ends the session, and forgets a token that was typed in here.
async function logOut() {
  leave.disabled = true;
  try {
    await fetch('logout', { method: 'POST' });
    keepToken(null);
    location.reload();
  } catch {
    // Without the program there is nothing to log out from; the page says that it cannot be reached.
    leave.disabled = false;
  }
}

/** @typedef {[string, string]} Pair */

// Facts of a source or publisher as pairs: a list whose rows are made once and then only rewritten.
/** @param {string} kind */
function pairs(kind) {
  /** @type {Map<string, HTMLElement>} */
  const rows = new Map();
  const element = h(`dl.${kind}`);
  return {
    element,
    /** @param {Pair[]} values */
    update(values) {
      for (const [title, text] of values) {
        let row = rows.get(title);
        if (!row) {
          row = h('dd');
          rows.set(title, row);
          element.append(h('div', h('dt', title), row));
        }
        const { parentElement } = write(row, text);
        if (parentElement) show(parentElement, text !== '');
      }
    },
  };
}

/** @type {(name: string) => string} */
const words = (name) => titled(name.replaceAll('_', ' '));
// What a card shows only in its details.
/** @type {(status: Status) => Pair[]} */
const facts = ({ plugin, facts: { listen, ...facts }, counts: { batches, ...counts } }) => [
  [t('plugin'), plugin ?? ''],
  ...Object.entries(facts).map(([name, fact]) => /** @type {Pair} */ ([known(`fact_${name}`) ?? words(name), fact])),
  ...Object.entries(counts).map(([name, count]) => /** @type {Pair} */ ([known(`count_${name}`) ?? words(name), number(count)])),
];
/** @type {(at: number | null) => string} */
const when = (at) => (at ? `${moment(at, now())} (${age(at, now())})` : '');

// Card of a source or publisher: its name, its state and the reason for it, facts, `more`, and details.
/** @type {(name: string, label: string, test: string, more: Child[]) => {element: HTMLElement, update: (status: Status, word: string, why: Reason | null, values: Pair[]) => void}} */
function card(name, label, test, more) {
  const state = h(`span.state@state-${name}`);
  const reason = h(`p.reason@reason-${name}`, { hidden: true });
  const isSame = label.toLowerCase() === name.replaceAll('_', ' ').toLowerCase();
  const title = h('h2', h('bdi', label), isSame ? null : h('small', name));
  const [main, details] = [pairs('main'), pairs('more')];
  const folded = h('details', h('summary', t('details')), details.element);
  return {
    element: h(
      `article.card.source@${test}`,
      [h('header', title, state), reason, main.element, ...more],
      folded,
    ),
    update(status, word, why, values) {
      set(state, { 'data-state': word });
      write(state, stateText(word));
      explain(reason, why);
      main.update(values);
      details.update(facts(status));
    },
  };
}

/** @type {(name: string) => Card} */
function source(name) {
  const readings = registers(name);
  const { element, update } = card(name, nameOf(name), `source-${name}`, [readings.element]);
  const commands = house.commands.filter(({ Name }) => Name.startsWith(`${name}.`));
  const forms = commands.map((command) => form(name, command));
  if (forms.length) element.append(h('section.commands', h('h3', t('commands')), forms));
  return {
    element,
    update() {
      const status = house.health?.sources[name];
      if (!status) return;
      const { state, since, reason } = stateOf(name);
      const { last_error: error, counts, role } = status;
      update(status, withProblem(state, status), reason ?? (state === 'unknown' ? null : problemOf(status)), [
        [t('role'), role ? t(`role_${role}`) : ''],
        [t('last_reading'), when(since) || t('never')],
        [t('count_batches'), number(counts.batches)],
        // A fault that is over is worth a line, no alarm.
        [t('last_fault'), error && !reason ? `${moment(Date.parse(error.at), now())}: ${told(error)}` : ''],
      ]);
      readings.update();
    },
  };
}

// Card of what serves the readings to others; `valuesOf` returns the facts that are always shown.
/** @type {(name: string, group: 'publishers' | 'endpoints', test: string, valuesOf: (status: Status) => Pair[]) => Card} */
function passer(name, group, test, valuesOf) {
  const { element, update } = card(name, words(name), `${test}-${name}`, []);
  return {
    element,
    update() {
      const status = house.health?.[group][name];
      if (!status) return;
      const state = house.offlineSince ? 'unknown' : status.state;
      const isIll = state !== 'delivering' && state !== 'unknown';
      const problem = state === 'unknown' ? null : problemOf(status);
      update(status, withProblem(state, status), isIll ? (faultOf(status) ?? problem) : problem, valuesOf(status));
    },
  };
}

/** @type {(backlog: number, oldest: string) => Pair[]} */
const queue = (backlog, oldest) => [
  [t('backlog'), number(backlog)],
  [t('oldest'), when(Date.parse(oldest))],
];

// One of history has no queue: its server has the hours up to there.
/** @type {(end: string | null) => Pair} */
const deliveredTo = (end) => [t('delivered_to'), when(Date.parse(end ?? '')) || t('never')];

/** @type {(name: string) => Card} */
const publisher = (name) =>
  passer(name, 'publishers', 'publisher', ({ last_success: success, backlog, oldest, delivered_to: end }) => [
    [t('last_success'), when(Date.parse(success ?? '')) || t('never')],
    ...(end === undefined ? queue(backlog, oldest) : [deliveredTo(end)]),
  ]);

/** @type {(name: string) => Card} */
const endpoint = (name) =>
  passer(name, 'endpoints', 'endpoint', ({ facts }) => [[t('fact_listen'), facts.listen ?? '']]);

// Table of all readings of a source; updated only while it is open.
/** @type {(section: string) => Card} */
function registers(section) {
  const body = h('tbody');
  /** @type {(key: string) => HTMLElement} */
  const head = (key) => h(`th.${key}`, { scope: 'col', role: 'columnheader' }, t(key));
  const heads = h('thead', h('tr', { role: 'row' }, ['code', 'name', 'value', 'age'].map(head)));
  const attributes = { role: 'table', 'aria-label': t('all_readings') };
  const list = h(`table.registers@table-${section}`, attributes, heads, body);
  const summary = h('summary', t('all_readings'));
  const element = h(`details@readings-${section}`, summary, h('div.scroll', list));
  /** @type {ReturnType<typeof registerRow>[]} */
  let rows = [];
  let names = '';
  const update = () => {
    const known = house.sections.get(section);
    show(element, Boolean(known));
    if (!element.open || !known) return;
    const { meanings, time } = known;
    const entries = readingsOf(known);
    list.classList.toggle('uncoded', !entries.some(([, reading]) => detailsOf(reading).OBIS_Code));
    const wanted = JSON.stringify(entries.map(([name]) => [name, describe(meanings[name])]));
    if (wanted !== names) {
      names = wanted;
      rows = entries.map(([name, reading]) => registerRow(name, reading, meanings[name]));
      body.replaceChildren(...elements(rows));
    }
    const { live } = stateOf(section);
    list.classList.toggle('old', !live);
    entries.forEach(([name, reading], i) => {
      const { unit: own, more: others, timestampUTC } = detailsOf(reading);
      const unit = meanings[name]?.unit ?? own;
      const more = others?.length ? ` (${others.join(', ')})` : '';
      const value = valueOf(reading);
      write(rows[i].value, exact(value ?? '–', unit) + more);
      set(rows[i].value, { 'data-exact': typeof value === 'number' && !more ? full(value, unit) : null });
      write(rows[i].age, age(Date.parse(timestampUTC ?? '') || time, now()));
    });
  };
  on(element, 'toggle', update);
  return { element, update };
}

// Rows have explicit roles, because their layout in two lines on a phone would lose them.
/** @type {(name: string, reading: Reading, meaning: Meaning) => {element: HTMLElement, value: HTMLElement, age: HTMLElement}} */
function registerRow(name, reading, meaning) {
  const code = detailsOf(reading).OBIS_Code ?? '';
  const said = describe(meaning);
  const [cell, value, old] = ['code', 'value', 'age'].map((name) => h(`td.${name}`, { role: 'cell' }));
  const technical = name.split('_').flatMap((part, i) => (i ? ['_', h('wbr'), part] : [part]));
  const title = h('th', { scope: 'row', role: 'rowheader' }, said ? [said, h('small', technical)] : technical);
  if (typeof valueOf(reading) !== 'number') value.classList.add('text');
  return { element: h('tr', { role: 'row' }, write(cell, code), title, value, old), value, age: old };
}
