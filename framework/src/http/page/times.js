// Times at which a price holds, in the reader's language: the program says them in the words of the configuration.

import { formatter, money, number, priceOf, symbol } from './format.js';
import { t } from './text.js';

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// A day, a month, or a time of day; `null` for any other word.
/** @type {(word: string) => string | null} */
function worded(word) {
  const [day, month] = [DAYS.indexOf(word), MONTHS.indexOf(word)];
  // The first of January 2024 was a Monday.
  if (day >= 0) return formatter({ weekday: 'short' }, 'UTC').format(Date.UTC(2024, 0, 1 + day));
  if (month >= 0) return formatter({ month: 'short' }, 'UTC').format(Date.UTC(2024, month));
  const [, hour, minute] = /^(\d\d):(\d\d)$/.exec(word) ?? [];
  if (hour) return formatter({ timeStyle: 'short' }, 'UTC').format(Date.UTC(2024, 0, 1, Number(hour), Number(minute)));
  return word === 'holiday' ? t('holidays') : null;
}

/** @type {(range: string) => string} */
const inWords = (range) => {
  const words = range.split('-').map(worded);
  return words.includes(null) ? range : words.join('–');
};

/** @type {(times: Times) => string} */
const list = ({ days = [], hours = [], months = [] }) => [...days, ...hours, ...months].map(inWords).join(', ');

// The times that limit a price, with their name.
/** @type {(times: Times) => string} */
function timesOf(times) {
  const [words, { name }] = [list(times), times];
  return name && words ? `${name} (${words})` : name || words;
}

// A text of the program that ends with times, if these have no name.
/** @type {(text: string, times?: Times) => string} */
export function withTimes(text, times) {
  if (!times || times.name) return text;
  const { days = [], hours = [], months = [] } = times;
  const said = [days, hours, months].filter(({ length }) => length).map(String).join(' ');
  return said && text.endsWith(said) ? `${text.slice(0, text.length - said.length).trim()}, ${list(times)}` : text;
}

// Prices in the words of the program: their numbers and their times. What is a name stays as it is.
/** @type {(text: string, currency: string) => string} */
const translated = (text, currency) =>
  text
    .split(' ')
    .map((word) => (/^-?\d+(\.\d+)?,?$/.test(word) ? number(Number.parseFloat(word), 9, 0) + (word.endsWith(',') ? ';' : '') : word.split(',').map(inWords).join(', ')))
    .join(' ')
    .replace(` ${currency}/kWh`, `\u00a0${symbol(currency)}/kWh`);

// The lines of a tariff: its prices per kWh, its levies, and everything else in one line.
/** @type {(tariff: Tariff) => string[]} */
export function linesOf(tariff) {
  const { currency, work, windows = [], levies = [], vat } = tariff;
  /** @type {(value: Value | undefined) => string} */
  const perKwh = (value) => `${money(value, currency, 9)}/kWh`;
  // A single price, or the one outside of all windows, is at the beginning.
  const single = /^(-?\d+(?:\.\d+)?)(?:,| \S+$)/.exec(work)?.[1];
  const rest = single ? perKwh(Number(single)) : windows.length ? '' : translated(work, currency);
  /** @type {(window: Priced) => string} */
  const timed = (window) => `${timesOf(window)}: ${perKwh(window.price)}`;
  const base = /** @type {const} */ (['year', 'day', 'month']).find((per) => tariff[`base_per_${per}`]);
  const more = [
    base && t(`tariff_per_${base}`, { value: priceOf(tariff[`base_per_${base}`], currency, base) }),
    tariff.feed_in && t('tariff_feed_in', { value: money(tariff.feed_in, currency, 6) }),
    vat && t(tariff.prices === 'net' ? 'tariff_vat_net' : 'tariff_vat', { value: number(vat, 2, 0) }),
    tariff.instalment_per_month && t('tariff_instalment', { value: money(tariff.instalment_per_month, currency) }),
  ];
  const fed = tariff.feed_in_prices && `${t('bill_feed_in')}: ${translated(tariff.feed_in_prices, currency)}`;
  const last = more.filter(Boolean).join(', ');
  if (!windows.length && !levies.length) return [[rest, last].filter(Boolean).join(', '), ...(fed ? [fed] : [])];
  const levy = (/** @type {Levy} */ { name, price, per, windows = [] }) => {
    const whole = price == null ? '' : per === 'kWh' ? perKwh(price) : t(`tariff_per_${per}`, { value: priceOf(price, currency, per) });
    return `${name}: ${[whole, ...windows.map(timed)].filter(Boolean).join('; ')}`;
  };
  const prices = [...windows.map(timed), rest && (windows.length ? t('other_times', { value: rest }) : rest)];
  return [...prices, ...levies.map(levy), last, fed].flatMap((line) => line || []);
}
