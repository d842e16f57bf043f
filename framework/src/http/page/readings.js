// Meter readings: what each register showed at a day, or at both ends of a span, to be copied into a supplier's form.

import { current, go } from './address.js';
import { dayOf, later, valid } from './calendar.js';
import { tell } from './command.js';
import { dayField, heading, named, notice, shortcuts, swapText, takeCsv, today } from './days.js';
import { digits } from './digits.js';
import { button, h, set, table } from './dom.js';
import { exact, guessed, moment, parts, separators, setZone } from './format.js';
import { ask, house, nameOf, now, onRestart, saidOf } from './live.js';
import { titled } from './model.js';
import { refusal } from './reasons.js';
import { known, t } from './text.js';

/** @type {HTMLElement} */
let view;
/** @type {Record<'from' | 'to', import('./days.js').DayField>} */
let form;
/** @type {HTMLElement} */
let usual;
/** @type {HTMLElement} */
let result;
let asked = 0;

/** @typedef {import('./days.js').Cell} Cell */

/** @param {HTMLElement} section */
export function start(section) {
  view = section;
  const chosen = () => {
    const [from, to] = [form.from.get(), form.to.get()];
    if (from) go({ view: 'readings', path: [from, to] });
  };
  form = { from: dayField('readings-from', t('day_or_from'), chosen), to: dayField('readings-to', `${t('until')} (${t('optional')})`, chosen) };
  usual = h('div');
  result = h('div.ranges@registers', { 'aria-live': 'polite' });
  const fields = h('div.fields', form.from.element, form.to.element);
  view.append(...heading('readings'), h('section.card.stack', fields, usual, h('p.hint', t('readings_hint'))), result);
  onRestart(() => view.hidden || open(current()));
}

// Buttons for the days that are asked for most. They depend on the time zone, which the first answer has.
function fillUsual() {
  const { year, month } = parts(now());
  /** @type {(day: string | null, text: string) => [string, () => unknown]} */
  const one = (day, text) => [text, () => go({ view: 'readings', path: [day] })];
  const [first, last] = [dayOf(year, month), dayOf(year - 1, 12, 31)];
  const days = { today: one(null, t('today')), month: one(first, named(first)), year: one(last, named(last)) };
  usual.replaceChildren(shortcuts('readings', days));
}

// Called when the view is shown: `path` has a day, or both days of a span.
/** @param {{path: string[]}} address */
export async function open({ path: [first, last] }) {
  const from = valid(first) ?? today();
  const to = valid(last) && last >= from ? last : null;
  form.from.set(from);
  form.to.set(to);
  set(view, { 'data-ready': 'false' });
  asked += 1;
  const mine = asked;
  const answer = await ask(`registers?${queryOf(from, to)}`).catch(() => null);
  if (mine !== asked) return;
  set(view, { 'data-ready': 'true' });
  if (!answer?.ok) return void result.replaceChildren(notice('readings-failed', refusal(answer)));
  const { zone } = answer.json;
  const registers = arrangedBySource(answer.json.registers);
  setZone(zone);
  fillUsual();
  if (!registers.length) return void result.replaceChildren(notice('readings-none', t('no_register')));
  const bill = h('a.button@readings-bill', { href: `#costs/${from}/${to}` }, t('check_bill'));
  const sources = new Set(registers.map(({ source }) => source));
  const cards = [...sources].map((source) => card(registers.filter((register) => register.source === source), from, to));
  const taken = takeCsv('readings', [from, to].filter(Boolean).join('-'), () => csvOf(registers, Boolean(to)));
  result.replaceChildren(h('div.masonry', cards), ...(to ? [h('p.buttons', bill)] : []), taken);
}

// The meters in the order of the page: that of the grid comes first.
/** @type {(registers: Register[]) => Register[]} */
function arrangedBySource(registers) {
  const order = house.subjects.map(({ section }) => section);
  /** @type {(register: Register) => number} */
  const place = ({ source }) => order.indexOf(source) + 1 || Infinity;
  return registers.toSorted((a, b) => place(a) - place(b) || a.obis.localeCompare(b.obis));
}

// All of it for a spreadsheet: a row for each register, with the moments at which it was read.
/** @type {(registers: Register[], hasBegin: boolean) => [string[], Cell[][]]} */
function csvOf(registers, hasBegin) {
  const [time, offset] = [t('time'), t('utc')];
  const begin = hasBegin ? [t('counter_begin'), `${t('counter_begin')}: ${time}`, offset] : [];
  const end = [hasBegin ? t('counter_end') : t('meter_reading'), hasBegin ? `${t('counter_end')}: ${time}` : time, offset];
  const heads = [t('meter'), t('name'), t('code'), ...begin, ...end, ...(hasBegin ? [t('amount')] : []), t('unit'), t('note')];
  /** @type {(shown: Shown | undefined, decimals?: number) => Cell[]} */
  const read = (shown, decimals = 0) => (shown?.value == null ? ['', '', ''] : [{ value: shown.value, decimals }, { at: shown.at }]);
  const rows = registers.map((register) => {
    const { name, obis, source, label, unit, amount, decimals, swaps = [] } = register;
    const unsure = [register, ...(hasBegin && register.begin ? [register.begin] : [])].filter((shown) => shown.value !== null && !isExact(shown));
    const notes = [...(unsure.length ? ['≈'] : []), ...swaps.map((swap) => swapText(swap, unit))];
    /** @type {Cell[]} */
    const row = [label ?? nameOf(source), wordsOf(register), obis || name, ...(hasBegin ? read(register.begin, decimals) : []), ...read(register, decimals)];
    return [...row, ...(hasBegin ? [amount] : []), unit, notes.join(', ')];
  });
  return [heads, rows];
}

// A day counts from its beginning if it begins a month, as a contract does, and else to its end, as a bill does. Today
// has no end yet.
/** @type {(day: string) => boolean} */
const isBeginning = (day) => day.endsWith('-01');
// The program takes a date for its end.
/** @type {(day: string) => string} */
const momentOf = (day) => (day >= today() ? 'now' : isBeginning(day) ? later(day, -1) : day);
/** @type {(day: string) => Child} */
const titleOf = (day) => (day >= today() ? t('now') : dated(day, isBeginning(day)));
/** @type {(day: string, begins: boolean) => Child} */
const dated = (day, begins) => [named(day), h('small', t(begins ? 'day_begins' : 'day_ends'))];

/** @type {(from: string, to: string | null) => string} */
const queryOf = (from, to) => (to ? `from=${from}&to=${to >= today() ? 'now' : to}` : `at=${momentOf(from)}`);

// Card of a source: a table for each register.
/** @type {(registers: Register[], from: string, to: string | null) => HTMLElement} */
function card(registers, from, to) {
  const [{ source, label }] = registers;
  // Each table has elements of its own.
  const last = () => (!to || to >= today() ? t('now') : dated(to, false));
  const tables = registers.map((register) => {
    const { begin, amount, unit, decimals, swaps = [] } = register;
    const end = register;
    /** @type {Child[][]} */
    const rows = to ? [[dated(from, true), reading(begin, unit, decimals)], [last(), reading(end, unit, decimals)]] : [[titleOf(from), reading(end, unit, decimals)]];
    const isGuess = amount != null && !(begin && isExact(begin) && isExact(end));
    if (to) rows.push([t(countedAs(register)), h('strong', amount == null ? '–' : guessed(exact(amount, unit), isGuess))]);
    const words = wordsOf(register);
    return [
      h('h3', words, register.obis ? h('small', ` ${register.obis}`) : null),
      set(table([t('time'), t('meter_reading')], rows, words), { class: 'counters', 'data-test': `register-${source}-${register.name}` }),
      ...swaps.map((swap) => h('p.hint@swap', titled(swapText(swap, unit)))),
    ];
  });
  return h(`section.card.stack@registers-${source}`, h('h2', h('bdi', label ?? nameOf(source))), tables.flat());
}

// A counter that stood still between two readings is known in between.
/** @type {(shown: Shown) => boolean} */
const isExact = ({ exact: isRead, before, after }) => isRead || (before != null && before.value === after?.value);

/** @type {(register: Register) => string} */
const countedAs = ({ source, direction }) => (direction === 'export' ? 'export' : saidOf(source).role === 'production' ? 'produced' : 'consumption');

// Names that say less than what the counter is of.
const GENERIC = ['energy', 'volume', 'count'];

// What a register counts, in words.
/** @type {(register: Register) => string} */
function wordsOf({ source, name, direction, tariff, unit }) {
  const { medium } = house.series?.find((series) => series.section === source && series.name === name)?.meaning ?? {};
  /** @type {Record<string, string>} */
  const keys = { import: 'q_import', export: 'q_export', absolute: 'q_absolute', net: 'q_net' };
  const key = keys[direction ?? ''];
  const counted = medium && medium !== 'electricity' ? known(medium === 'cooling' ? 'cold' : medium) : null;
  const own = GENERIC.includes(name) ? null : known(name.toLowerCase());
  const other = counted ?? (unit === 'kWh' ? t('q_energy') : GENERIC.includes(name) ? t('q_counted') : titled(name.replaceAll('_', ' ')));
  const named = own ?? (counted && unit === 'm³' && medium === 'heat' ? `${other}, ${unit}` : other);
  const words = key && (!medium || medium === 'electricity') ? t(key) : named;
  return tariff ? t('q_tariff', { name: words, tariff }) : words;
}

// A number as a meter shows it, to be copied with all its digits; below it how sure it is.
/** @type {(shown: Shown | undefined, unit: string, least?: number) => Child} */
function reading(shown, unit, least) {
  const { value, at, before, after, gap } = shown ?? { value: null, at: 0, before: null, after: null, gap: false };
  if (value == null) return h('div.reading', h('p', '–'), h('small', before ? t('read_last', { time: moment(before.time, now()) }) : t('read_never')));
  const text = digits(value, least);
  const [whole, decimals = ''] = text.split(separators.decimal ?? '.');
  const isKnown = !shown || isExact(shown);
  const figure = h('span.digits', isKnown ? '' : '≈\u00a0', whole, decimals && h('small', `${separators.decimal}${decimals}`), h('small', `\u00a0${unit}`));
  const sure =
    shown?.exact || !before
      ? t('read_exactly', { time: moment(at, now()) })
      : after
        ? t('read_between', { before: exact(before.value, unit), before_time: moment(before.time, now()), after: exact(after.value, unit), after_time: moment(after.time, now()) })
        : t('read_last', { time: moment(before.time, now()) });
  const copies = button('copy', t('copy'), () => copy(text), { 'aria-label': `${t('copy')} ${text}` });
  return h('div.reading', h('p', figure, copies), h('small', gap ? `${sure}, ${t('gap')}` : sure));
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers have the clipboard over TLS and on the machine itself only.
    const field = /** @type {HTMLTextAreaElement} */ (h('textarea.unseen', text));
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
  tell('good', t('copied', { value: text }));
}
