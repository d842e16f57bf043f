// Sources: the status of each one, all its readings, and its commands.

import { form } from './command.js';
import { h, on, set, show, write } from './dom.js';
import { age, exact, moment, number } from './format.js';
import { house, now, onChange, readingsOf, stateOf } from './live.js';
import { describe, labelOf, valueOf } from './model.js';
import { known, t } from './text.js';

let view;
let cards = [];
let shape = '';
const head = { state: h('h1'), program: h('p', { class: 'hint' }), journal: h('p', { class: 'hint' }) };

export function start(section) {
  view = section;
  onChange(() => {
    if (!view.hidden) update();
  });
  // Ages grow also without events.
  setInterval(() => !view.hidden && !document.hidden && update(), 1000);
}

export function update() {
  if (!house.health) return;
  const [names, others] = [Object.keys(house.health.sources), Object.keys(house.health.publishers ?? {})];
  const wanted = JSON.stringify([names, others, house.commands]);
  if (wanted !== shape) {
    shape = wanted;
    const [sources, publishers] = [names.map(source), others.map(publisher)];
    cards = [...sources, ...publishers];
    const list = (cards) => h('div', { class: 'cards' }, ...cards.map(({ element }) => element));
    const title = others.length ? [h('h2', { class: 'above' }, t('publishers'))] : [];
    view.replaceChildren(
      h('header', { class: 'summary' }, head.state, head.program, head.journal),
      list(sources),
      ...title,
      list(publishers),
    );
  }
  summary();
  for (const card of cards) card.update();
}

function summary() {
  const { version, started, uptime_seconds: uptime, journal, sources, publishers = {} } = house.health;
  // A source takes a moment to begin, and a publisher waits for something to deliver.
  const begins = ({ state, backlog }) => state === 'starting' && (backlog === 0 || uptime < 60);
  const well =
    !house.offlineSince &&
    (!journal || journal.state !== 'degraded') &&
    [...Object.values(sources), ...Object.values(publishers)].every(
      (status) => status.state === 'delivering' || begins(status),
    );
  write(head.state, t(well ? 'all_well' : 'some_ill'));
  write(head.program, t('program', { version, time: moment(Date.parse(started), now()) }));
  const problem = [journal?.problem, journal?.notice, journal?.clock].filter(Boolean).join('; ');
  write(head.journal, `${t('journal')} ${t(`journal_${journal?.state ?? 'none'}`)}${problem ? `: ${problem}` : '.'}`);
}

// Facts of a source or publisher as pairs: a list whose rows are made once and then only rewritten.
function pairs(className) {
  const rows = new Map();
  const element = h('dl', { class: className });
  return {
    element,
    update(values) {
      for (const [key, [title, text]] of values) {
        let value = rows.get(key);
        if (!value) {
          value = h('dd');
          rows.set(key, value);
          element.append(h('div', {}, h('dt', {}, title), value));
        }
        write(value, text);
        show(value.parentElement, text !== '');
      }
    },
  };
}

const words = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ');
const counts = (status) =>
  Object.entries(status.counts ?? {}).map(([name, count]) => [
    name,
    [known(`count_${name}`) ?? words(name), number(count)],
  ]);
const facts = (status) =>
  Object.entries(status.facts ?? {}).map(([name, fact]) => [name, [known(`fact_${name}`) ?? words(name), fact]]);

// The head of a card: a name, and in words how it fares.
function heading(name, label, test) {
  const state = h('span', { class: 'state', 'data-test': `state-${name}` });
  const reason = h('p', { class: 'reason', lang: 'en', 'data-test': `reason-${name}`, hidden: true });
  const title = h(
    'h2',
    {},
    label,
    label.toLowerCase() === name.replaceAll('_', ' ').toLowerCase() ? null : h('small', {}, name),
  );
  const element = h('article', { class: 'card source', 'data-test': test }, h('header', {}, title, state), reason);
  return {
    element,
    update(word, text) {
      set(state, { 'data-state': word });
      write(state, t(word === 'stale' ? 'state_stale' : word));
      show(reason, Boolean(text));
      write(reason, text ?? '');
    },
  };
}

function source(name) {
  const subject = house.subjects.find(({ section }) => section === name) ?? { section: name, key: name, kind: 'other' };
  const top = heading(name, labelOf(subject), `source-${name}`);
  const [main, more, device] = [pairs('main'), pairs('more'), pairs('more')];
  const readings = registers(name);
  const commands = house.commands.filter(({ Name }) => Name.startsWith(`${name}.`));
  top.element.append(
    main.element,
    readings.element,
    h('details', {}, h('summary', {}, t('details')), device.element, more.element),
  );
  if (commands.length)
    top.element.append(
      h(
        'section',
        { class: 'commands' },
        h('h3', {}, t('commands')),
        ...commands.map((command) => form(name, command)),
      ),
    );
  return {
    element: top.element,
    update() {
      const status = house.health.sources[name];
      if (!status) return;
      const { state, since, reason } = stateOf(name);
      top.update(state, reason);
      const error = status.last_error;
      main.update([
        ['reading', [t('last_reading'), since ? `${moment(since, now())} (${age(since, now())})` : t('never')]],
        ['batches', [t('count_batches'), number(status.counts.batches)]],
        // A fault that is over is worth a line, no alarm.
        [
          'fault',
          [t('last_fault'), error && !reason ? `${moment(Date.parse(error.at), now())}: ${error.message}` : ''],
        ],
      ]);
      device.update([['plugin', [t('plugin'), status.plugin]], ...facts(status)]);
      more.update(counts(status).filter(([name]) => name !== 'batches'));
      readings.update();
    },
  };
}

function publisher(name) {
  const top = heading(name, words(name), `publisher-${name}`);
  const [main, more] = [pairs('main'), pairs('more')];
  top.element.append(main.element, h('details', {}, h('summary', {}, t('details')), more.element));
  return {
    element: top.element,
    update() {
      const status = house.health.publishers?.[name];
      if (!status) return;
      const when = (text) => (text ? `${moment(Date.parse(text), now())} (${age(Date.parse(text), now())})` : '');
      top.update(status.state, status.state === 'delivering' ? null : status.last_error?.message);
      main.update([
        ['success', [t('last_success'), when(status.last_success) || t('never')]],
        ['backlog', [t('backlog'), t('records', { count: number(status.backlog ?? 0) })]],
        ['oldest', [t('oldest'), when(status.oldest)]],
      ]);
      more.update([['plugin', [t('plugin'), status.plugin ?? '']], ...facts(status), ...counts(status)]);
    },
  };
}

// Table of all readings of a source; updated only while it is open.
function registers(section) {
  const body = h('tbody');
  const heads = ['code', 'name', 'value', 'age'].map((key) =>
    h('th', { scope: 'col', role: 'columnheader', class: key }, t(key)),
  );
  const list = h(
    'table',
    { class: 'registers', role: 'table', 'aria-label': t('readings'), 'data-test': `table-${section}` },
    h('thead', {}, h('tr', { role: 'row' }, ...heads)),
    body,
  );
  const element = h(
    'details',
    { 'data-test': `readings-${section}` },
    h('summary', {}, t('readings')),
    h('div', { class: 'scroll' }, list),
  );
  let rows = [];
  let names = '';
  const update = () => {
    const known = house.sections.get(section);
    show(element, Boolean(known));
    if (!element.open || !known) return;
    const { meanings, time } = known;
    const entries = readingsOf(known);
    list.classList.toggle('uncoded', !entries.some(([, reading]) => reading?.OBIS_Code));
    const wanted = JSON.stringify(entries.map(([name]) => [name, describe(meanings[name])]));
    if (wanted !== names) {
      names = wanted;
      rows = entries.map(([name, reading]) => registerRow(name, reading, meanings[name]));
      body.replaceChildren(...rows.map(({ element }) => element));
    }
    const { live } = stateOf(section);
    list.classList.toggle('old', !live);
    entries.forEach(([name, reading], i) => {
      const unit = meanings[name]?.unit ?? reading?.unit;
      const more = reading?.more?.length ? ` (${reading.more.join(', ')})` : '';
      write(rows[i].value, exact(valueOf(reading) ?? '–', unit) + more);
      write(rows[i].age, age(Date.parse(reading?.timestampUTC ?? '') || time, now()));
    });
  };
  on(element, 'toggle', update);
  return { element, update };
}

// Rows have explicit roles, because their layout in two lines on a phone would lose them.
function registerRow(name, reading, meaning) {
  const code = reading?.OBIS_Code ?? '';
  const said = describe(meaning);
  const [value, old] = [h('td', { class: 'value', role: 'cell' }), h('td', { class: 'age', role: 'cell' })];
  const technical = name.split('_').flatMap((part, i) => (i ? ['_', h('wbr'), part] : [part]));
  const title = h(
    'th',
    { scope: 'row', role: 'rowheader' },
    ...(said ? [said, h('small', {}, ...technical)] : technical),
  );
  if (typeof valueOf(reading) !== 'number') value.classList.add('text');
  const cells = [h('td', { class: 'code', role: 'cell' }, code), title, value, old];
  return { element: h('tr', { role: 'row' }, ...cells), value, age: old };
}

// Returns whether a source needs attention.
export const alarm = () =>
  Boolean(house.health) &&
  Object.keys(house.health.sources).some((name) => {
    const { state } = stateOf(name);
    return state !== 'delivering' && state !== 'starting';
  });
