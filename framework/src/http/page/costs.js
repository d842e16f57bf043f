// Costs: today, this month and this year; the bill of a period; the tariffs in words.

import { current, go } from './address.js';
import { later, valid } from './calendar.js';
import { tell } from './command.js';
import { dayField, field, heading, named, notice, shortcuts, spans, swapText, takeCsv, today } from './days.js';
import { button, h, on, say, set, show, table } from './dom.js';
import { parsed } from './field.js';
import { exact, guessed, inWords, joined, moment, money, number, priceOf, symbol } from './format.js';
import { askLong, house, look, nameOf, now, onRestart } from './live.js';
import { mainOf, titled } from './model.js';
import { refusal } from './reasons.js';
import { known, t } from './text.js';
import { linesOf, withTimes } from './times.js';
import { send } from './token.js';
import { quoted } from './toml.js';

/** @type {HTMLElement} */
let view;
/** @type {any} */
let parts;
let asked = 0;
/** @type {string | undefined} */
let source;
// Tariffs as the program knows them.
/** @type {Tariff[]} */
let rates = [];

/** @param {HTMLElement} section */
export function start(section) {
  view = section;
  /** @type {(name: string) => [string, [string, () => unknown]]} */
  const usual = (name) => [name, [t(name), () => choose(...spans()[name])]];
  const changed = () => parts.from.get() && parts.to.get() && choose(parts.from.get(), parts.to.get());
  const decimal = { type: 'text', inputmode: 'decimal', autocomplete: 'off' };
  parts = {
    from: dayField('costs-from', t('from'), changed),
    to: dayField('costs-to', t('until'), changed),
    price: field('costs-price', t('price_kwh'), decimal),
    base: field('costs-base', `${t('bill_base')} (${t('month')})`, decimal),
    problem: h('p.problem@costs-problem', { role: 'alert', hidden: true }),
    source: on(h('select@costs-source', { 'aria-label': t('meter'), hidden: true }), 'change', () => {
      source = parts.source.value;
      changed();
    }),
    tiles: h('div.tiles@costs-tiles'),
    bill: h('div.stack@bill', { 'aria-live': 'polite' }),
    tariffs: h('section.card.stack@tariffs', { hidden: true }),
  };
  const saves = button('costs-save', t('save_tariff'), save);
  const calculate = h('p.buttons', saves, h('button.primary@costs-check', { type: 'submit' }, t('calculate')));
  const own = h('details@costs-own', h('summary', t('other_price')));
  own.append(h('div.fields', parts.price.element, parts.base.element), h('p.hint', t('other_price_hint')), calculate);
  const days = h('div.fields', parts.from.element, parts.to.element);
  const form = h('form.stack', h('h2', t('bill')), parts.source, days, shortcuts('costs', Object.fromEntries(Object.keys(spans()).map(usual))), own, parts.problem);
  on(form, 'submit', (event) => {
    event.preventDefault();
    changed();
  });
  view.append(...heading('costs'), parts.tiles, h('section.card.stack', form, parts.bill), parts.tariffs);
  onRestart(() => view.hidden || open(current()));
}

// Reads the prices of the form: `{price, base}`, each `null` if it is empty; says what is wrong, and returns `null` then.
/** @type {(needsPrice: boolean) => {price: number | null, base: number | null} | null} */
function prices(needsPrice) {
  /** @type {Record<string, number | null>} */
  const given = {};
  let isWrong = false;
  for (const name of ['price', 'base']) {
    const { input } = parts[name];
    const isEmpty = input.value.trim() === '';
    const value = isEmpty ? null : parsed(input.value);
    const wrong = !isEmpty && !(value !== null && value >= 0);
    given[name] = value;
    set(input, { 'aria-invalid': wrong ? 'true' : null });
    isWrong ||= wrong;
  }
  const lacks = given.price === null && (needsPrice || given.base !== null);
  say(parts.problem, isWrong ? t('bad_number', { example: number(0.3125, 4) }) : lacks ? t('price_first') : null);
  return isWrong || lacks ? null : { price: given.price, base: given.base };
}

/** @type {(value: number | null) => string | null} */
const text = (value) => (value === null ? null : String(value));

// Goes to the address of a bill. The prices that it is checked with are part of that.
/** @type {(from: string, to: string) => void} */
function choose(from, to) {
  const query = prices(false);
  if (query && to < from) say(parts.problem, t('wrong_span'));
  else if (query) go({ view: 'costs', path: [from, to], query: { source: parts.source.hidden ? null : source, price: text(query.price), base: text(query.base) } });
}

// Writes the prices of the form as a tariff from the first day on, in a file of its own.
async function save() {
  const given = prices(true);
  const from = parts.from.get();
  if (!given || !from) return;
  const base = given.base === null ? '' : `base_price_per_month = ${given.base}\n`;
  // What the form does not ask for stays as it was.
  const before = rates.findLast((tariff) => tariff.source === source);
  const { currency } = before ?? rates.at(-1) ?? {};
  const factor = before?.gas_factor;
  const kept = (currency ? `currency = ${quoted(currency)}\n` : '') + (factor ? `gas_factor = ${factor}\n` : '');
  const toml = `[[tariffs]]\nsource = ${quoted(source ?? '')}\nfrom = "${from}"\nwork_price = ${given.price}\n${base}${kept}`;
  const { ok, status, reason } = await send('setup/save', { file: `60-tariff-${from}-${source}.toml`, toml });
  const isDenied = status === 401 || status === 403;
  if (!ok) return say(parts.problem, isDenied ? t('not_allowed') : t('command_failed', { reason }));
  tell('good', t('saved', { file: t('tariffs') }));
  for (const name of ['price', 'base']) parts[name].input.value = '';
  house.revision += 1;
  await look();
  choose(from, parts.to.get() ?? from);
  open(current());
}

/**
 * What an answer has, or why there is none.
 * @template T
 * @typedef {Partial<T> & {error?: string}} Got
 */
/** @type {(path: string) => Promise<any>} */
async function got(path) {
  const answer = await askLong(path).catch(() => null);
  return answer?.ok ? answer.json : { error: refusal(answer) };
}

/**
 * @template T
 * @param {Got<T> | null} answer
 * @returns {answer is T & {error?: undefined}}
 */
const isThere = (answer) => answer !== null && !answer.error;

// Called when the view is shown: `path` has the first and the last day of a bill, `query` other prices for it.
/** @param {{path: string[], query: Record<string, string>}} address */
export async function open({ path, query }) {
  if (!house.health) return;
  const [first, last] = spans().this_month;
  const from = valid(path[0]) ?? first;
  const to = valid(path[1]) ?? (valid(path[0]) ? from : last);
  const isWrong = to < from;
  say(parts.problem, isWrong ? t('wrong_span') : null);
  const isOver = to < today();
  parts.from.set(from);
  parts.to.set(to);
  for (const name of ['price', 'base']) parts[name].input.value = query[name] ? number(Number(query[name]), 6, 0) : '';
  parts.price.input.closest('details').open ||= Boolean(query.price);
  asked += 1;
  const mine = asked;
  set(view, { 'data-ready': 'false' });
  const main = mainOf(house.subjects);
  /** @type {Got<Tariffs>} */
  const known = await got('tariffs');
  rates = known.tariffs ?? [];
  const sources = [...new Set(rates.map(({ source }) => source))];
  source = [query.source, main?.section].find((name) => name && sources.includes(name)) ?? sources[0] ?? main?.section;
  const has = sources.length > 0;
  const asks = new URLSearchParams({ source: source ?? '', from, to: isOver ? `${later(to, 1)}T00:00` : 'now' });
  for (const name of ['price', 'base']) if (query[name]) asks.set(name, query[name]);
  // Of a time up to now.
  const billSince = (/** @type {string} */ from) => (has ? got(`bill?${new URLSearchParams({ source: source ?? '', from, to: 'now' })}`) : null);
  /** @type {[Got<Bill> | null, Got<Forecast> | null, Got<Bill> | null, Got<Bill> | null, Got<Bill> | null]} */
  const [bill, forecast, day, month, year] = await Promise.all([
    source && !isWrong && (has || query.price) ? got(`bill?${asks}`) : null,
    has ? got(`forecast?${new URLSearchParams({ source: source ?? '' })}`) : null,
    billSince(today()),
    billSince(first),
    billSince(spans().this_year[0]),
  ]);
  if (mine !== asked) return;
  parts.source.replaceChildren(...sources.map((name) => h('option', { value: name, selected: name === source }, nameOf(name))));
  show(parts.source, sources.length > 1);
  tiles(forecast, day, { month, year });
  const end = isOver ? to : today();
  const taken = isThere(bill) ? [takeCsv('costs', `${from}-${end}`, () => csvOf(bill, forecast, day))] : [];
  parts.bill.replaceChildren(...(bill ? [...billOf(bill, from, end), ...taken] : isWrong ? [] : known.error ? [notice('costs-failed', known.error)] : noTariff(source)));
  tariffs(rates, sources.length > 1);
  set(view, { 'data-ready': 'true' });
}

/** @type {(source: string | undefined) => Child[]} */
const noTariff = (source) => [
  h('p.hint@no-tariff', t('no_tariff')),
  h('pre', `[[tariffs]]\nsource = "${source}"\nfrom = "${spans().this_year[0]}"\nwork_price = 0.3125\nbase_price_per_month = 12.90`),
];

// Tiles: what today cost, and the month and the year, with what is expected beside the instalment.
/** @type {(forecast: Got<Forecast> | null, day: Got<Bill> | null, bills: Record<'month' | 'year', Got<Bill> | null>) => void} */
function tiles(forecast, day, bills) {
  /** @type {(name: string, text: string, ...notes: Child[]) => HTMLElement} */
  const tile = (name, text, ...notes) =>
    h(`p.tile@cost-${name}`, h('span', t(name)), h('strong', text), notes.filter(Boolean).map((note) => h('small', note)));
  const made = [];
  if (isThere(day)) made.push(tile('today', guessed(money(day.total, day.currency), isUnsure(day)), ...missing(day)));
  if (isThere(forecast)) {
    const { currency, unsure, reason } = forecast;
    for (const name of /** @type {const} */ (['month', 'year'])) {
      const { so_far: soFar, expected, instalment } = forecast[name] ?? {};
      if (soFar == null) continue;
      const bill = bills[name];
      const lacks = isThere(bill) ? missing(bill) : [];
      const rest = expected != null && instalment != null ? instalment - expected : null;
      made.push(
        tile(
          `this_${name}`,
          guessed(money(soFar, currency), lacks.length > 0),
          ...lacks,
          expected != null && t('expected', { value: guessed(money(expected, currency), unsure) }),
          rest !== null && t(rest < 0 ? 'above_instalment' : 'below_instalment', { value: money(Math.abs(rest), currency), instalment: money(instalment, currency) }),
          unsure && known(`why_${reason}`),
        ),
      );
    }
  }
  parts.tiles.replaceChildren(...made);
  show(parts.tiles, made.length > 0);
}

/** @type {(bill: Bill) => boolean} */
const isUnsure = ({ gaps }) => gaps.length > 0;

// What a bill lacks, in words: a text for each reason.
/** @type {(bill: Bill) => string[]} */
function missing({ gaps }) {
  // Registers lack the same hours, which count once.
  const hours = new Map();
  for (const { register } of gaps) {
    const own = new Map();
    for (const gap of gaps) {
      if (gap.register === register) own.set(gap.reason, (own.get(gap.reason) ?? 0) + (gap.to - gap.from) / 3_600_000);
    }
    for (const [reason, sum] of own) hours.set(reason, Math.max(sum, hours.get(reason) ?? 0));
  }
  return [...hours].map(([reason, sum]) => known(`gap_${reason}`)?.replace('{hours}', number(sum, 2, 0)) ?? reason);
}

// An amount of an item: kWh, or days, months and years in words.
/** @type {(item: BillItem) => string} */
const amountOf = ({ amount, unit }) =>
  amount == null || !unit ? '' : ['day', 'month', 'year'].includes(unit) ? inWords(amount, unit) : joined({ figure: number(amount, 3, 0), unit });

// The bill: its lines, its sum, what the counters showed, and what is uncertain about it.
/** @type {(bill: Got<Bill>, from: string, to: string) => Child[]} */
function billOf(bill, from, to) {
  if (!isThere(bill)) return [notice('bill-failed', bill.error ?? '')];
  const { currency, items, total } = bill;
  const title = t('bill_of', { from: named(from), to: named(to) });
  /** @type {(item: BillItem) => Child[]} */
  const row = (item) => {
    const price = item.price == null ? '' : priceOf(item.price, currency, item.unit);
    const factors = amountOf(item) && h('small', `${amountOf(item)} × ${price}`);
    return [[itemName(item), factors], money(item.net, currency)];
  };
  const taxes = items.filter(isTax);
  const rows = items.filter((item) => !isTax(item)).map(row);
  const lines = set(table([t('name'), t('value')], rows, title), { class: 'counters' });
  /** @type {(key: string, text: string, value: Value) => HTMLElement} */
  const sum = (key, text, value) => {
    const cells = [h('th', { scope: 'row' }, text), h('td', guessed(money(value, currency), isUnsure(bill)))];
    return h(`tr@bill-${key}`, cells);
  };
  const ofTax = (/** @type {BillItem} */ item) => sum('vat', itemName(item), item.net);
  const net = taxes.length ? sum('net', t('bill_net'), bill.net) : null;
  lines.append(h('tfoot', net, taxes.map(ofTax), sum('total', t('total'), total)));
  const hints = [...missing(bill).map((text) => ['gap', text]), ...takenFor(bill)];
  return [h('h3', title), lines, ...hints.map(([name, text]) => h(`p.hint@bill-${name}`, text)), ...countersOf(bill)];
}

// Two moments: the later one has its date if that is another.
/** @type {(from: number, to: number) => {from: string, to: string}} */
const span = (from, to) => ({ from: moment(from, now()), to: moment(to, from) });

// What a bill took that was not asked for: the tax of a tariff, and whole quarter-hours.
/** @type {(bill: Bill) => string[][]} */
function takenFor({ assumed, asked, from, to }) {
  const { vat, tariff, gas_factor: factor } = assumed ?? {};
  const tax = tariff ? t('assumed_tax', { vat: number(vat, 2, 0), tariff }) : t('assumed_none');
  return [
    ...(assumed ? [['assumed', factor ? `${tax} ${t('assumed_factor', { value: number(factor, 9, 0) })}` : tax]] : []),
    ...(asked ? [['rounded', t('bill_rounded', span(Date.parse(from), Date.parse(to)))]] : []),
  ];
}

/** @type {(item: {kind: string}) => boolean} */
const isTax = ({ kind }) => kind === 'vat';
/** @type {(item: BillItem) => string} */
const itemName = ({ kind, text, window, price }) =>
  [t(`bill_${kind}`), isTax({ kind }) && price != null ? `${number(price, 2, 0)} %` : withTimes(text, window)].filter(Boolean).join(', ');

/** @typedef {BillEnergy & {parts: BillPart[]}} Span */
// What each counter showed at the beginning and at the end. Where the tariff changed, that is one span; a meter that was
// replaced has one of its own.
/** @type {(bill: Bill) => Span[]} */
function spansOf({ energy, source }) {
  /** @type {Map<string, Span>} */
  const spans = new Map();
  for (const row of energy) {
    // A counter has its own unit, such as that of gas.
    const series = house.series?.find(({ section, name }) => section === source && name === row.register);
    const span = spans.get(row.register) ?? { ...row, unit: series?.unit ?? row.unit, swaps: [], parts: [] };
    // Each price of a register has the same numbers.
    const swaps = row.swaps.filter(({ time }) => span.swaps.every((swap) => swap.time !== time));
    span.swaps.push(...swaps);
    for (const part of row.parts ?? [row]) {
      const last = span.parts.at(-1);
      // What is to come shows nothing.
      if (last && (part.from < last.to || part.begin == null)) continue;
      if (last && span.swaps.every(({ time }) => time !== part.from)) Object.assign(last, { to: part.to, end: part.end });
      else span.parts.push({ from: part.from, to: part.to, begin: part.begin, end: part.end });
    }
    span.estimated ||= row.estimated;
    spans.set(row.register, span);
  }
  return [...spans.values()];
}

// The counters of a bill, as they are on one.
/** @type {(bill: Bill) => Child[]} */
function countersOf(bill) {
  const spans = spansOf(bill);
  /** @type {(span: Span) => Child[][]} */
  const rowsOf = (counter) => {
    const known = counter.parts.filter(({ begin, end }) => begin != null && end != null);
    return known.map(({ from, to, begin, end }) => {
      const time = counter.swaps.length > 0 && h('small', t('from_to', span(from, to)));
      return [[registerName(counter), time && [h('br'), time]], [exact(begin, counter.unit), ' → ', exact(end, counter.unit)]];
    });
  };
  const title = t('meter_reading');
  const rows = spans.flatMap(rowsOf);
  const lines = set(table([t('name'), title], rows, title), { class: 'counters', 'data-test': 'bill-counters' });
  const swaps = spans.flatMap((span) => span.swaps.map((swap) => h('p.hint@bill-swap', titled(swapText(swap, span.unit)))));
  return rows.length ? [h('h3', title), lines, ...swaps] : [];
}

/** @type {(span: BillEnergy) => string} */
const registerName = ({ direction, tariff, unit }) => {
  const name = t(unit === 'm³' ? 'q_counted' : direction === 'export' ? 'q_export' : 'q_import');
  return tariff ? t('q_tariff', { name, tariff }) : name;
};

// All of it for a spreadsheet: the lines of the bill, its counters, and the sums of today, the month and the year.
/** @type {(bill: Bill, forecast: Got<Forecast> | null, day: Got<Bill> | null) => [string[], import('./days.js').Cell[][]]} */
function csvOf(bill, forecast, day) {
  const sign = symbol(bill.currency);
  const heads = [t('name'), t('amount'), t('unit'), `${t('price')} (${sign})`, `${t('bill_net')} (${sign})`, t('counter_begin'), t('counter_end'), t('note')];
  /** @type {(name: string, net: Value | undefined, note?: string) => import('./days.js').Cell[]} */
  const sum = (name, net, note = '') => [name, null, null, null, net, null, null, note];
  const rows = [
    ...bill.items.map((item) => [itemName(item), item.amount, item.unit, item.price, item.net]),
    sum(t('total'), bill.total, missing(bill).join(' ')),
    ...spansOf(bill).flatMap((span) => {
      const note = [span.estimated && t('gap'), ...span.swaps.map((swap) => swapText(swap, span.unit))].filter(Boolean).join(', ');
      return span.parts.map(({ begin, end }) => [registerName(span), null, span.unit, null, null, begin, end, note]);
    }),
  ];
  if (isThere(day)) rows.push(sum(t('today'), day.total, missing(day).join(' ')));
  if (isThere(forecast)) {
    for (const name of /** @type {const} */ (['month', 'year'])) rows.push(sum(t(`this_${name}`), forecast[name]?.so_far));
  }
  // Every row has all columns.
  return [heads, rows.map((row) => heads.map((_, i) => row[i] ?? null))];
}

// The tariffs in words, the newest first.
/** @type {(all: Tariff[], several: boolean) => void} */
function tariffs(all, several) {
  // A tariff ends before the day on which the next one begins.
  /** @type {(tariff: {from: string, to?: string}) => string} */
  const time = ({ from, to }) =>
    to ? t('from_to', { from: named(from), to: named(later(to, -1)) }) : t('since', { time: named(from) });
  /** @type {(tariff: Tariff) => HTMLElement} */
  const row = (tariff) => {
    const name = several ? `${tariff.name} (${nameOf(tariff.source)})` : tariff.name;
    return h('li', h('strong', name), ', ', time(tariff), linesOf(tariff).map((line) => [h('br'), line]));
  };
  parts.tariffs.replaceChildren(h('h2', t('tariffs')), h('ul.plain', all.map(row).reverse()));
  show(parts.tariffs, all.length > 0);
}
