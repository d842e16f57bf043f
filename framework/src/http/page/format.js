// Numbers, dates and ages in the browser's locale.

import { locale, t } from './text.js';

/** @type {Map<string, any>} */
const formats = new Map();
// Formats are expensive to make, so each one is kept.
/** @type {<F>(key: string, make: () => F) => F} */
function kept(key, make) {
  if (!formats.has(key)) formats.set(key, make());
  return formats.get(key);
}

// Formats a number with `least` to `most` decimals.
/** @type {(value: unknown, most?: number, least?: number) => string} */
export function number(value, most = 0, least = most) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '–';
  const options = { maximumFractionDigits: most, minimumFractionDigits: least };
  // A minus of full width, and never minus zero.
  return kept(`${most}.${least}`, () => new Intl.NumberFormat(locale, options))
    .format(value)
    .replace(/^-(?=[0.,]*$)/, '')
    .replace('-', '−');
}

// Separators of the locale.
export const separators = Object.fromEntries(
  new Intl.NumberFormat(locale).formatToParts(1_234_567.5).map(({ type, value }) => [type, value]),
);

/** @type {(share: number) => string} */
export const percent = (share) =>
  kept('percent', () => new Intl.NumberFormat(locale, { style: 'percent' })).format(share);

// Formats money with the decimals of its currency; a price of a unit has up to `most`.
/** @type {(value: unknown, currency: string | undefined, most?: number) => string} */
export function money(value, currency, most) {
  if (typeof value !== 'number' || !currency) return '–';
  /** @type {Intl.NumberFormatOptions} */
  const options = { style: 'currency', currency, maximumFractionDigits: most };
  return kept(`${currency}${most}`, () => new Intl.NumberFormat(locale, options)).format(value).replace('-', '−');
}

// Formats the price of a unit: that of a month or a year is a sum as any other.
/** @type {(value: unknown, currency: string | undefined, unit: string | null | undefined) => string} */
export const priceOf = (value, currency, unit) => money(value, currency, unit === 'day' ? 4 : unit === 'month' || unit === 'year' ? undefined : 6);

// Returns how a currency is written in the locale, such as `€`.
/** @type {(currency: string) => string} */
export const symbol = (currency) =>
  new Intl.NumberFormat(locale, { style: 'currency', currency }).formatToParts(0).find(({ type }) => type === 'currency')?.value ?? currency;

/** @typedef {{figure: string, unit?: string}} Figure */

/** @type {(figure: Figure) => string} */
export const joined = ({ figure, unit }) => (unit ? `${figure}\u00a0${unit}` : figure);

// Returns watts as a figure and its unit.
/** @type {(value: number) => Figure} */
export function watts(value) {
  const large = Math.abs(value) >= 9999.5;
  return { figure: number(large ? value / 1000 : value, large ? 1 : 0), unit: large ? 'kW' : 'W' };
}

/** @type {(value: number) => string} */
export const power = (value) => joined(watts(value));

// Formats a count of months or years.
/** @type {(value: number, unit: string) => string} */
export const inWords = (value, unit) =>
  kept(`in ${unit}`, () => new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' })).format(value);

// Formats an amount of energy or volume, with about three digits.
/** @type {(value: number, unit: string) => string} */
export function amount(value, unit) {
  const decimals = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return joined({ figure: number(value, decimals), unit });
}

// Marks an amount that is a guess.
/** @type {(text: string, isGuess: boolean | undefined) => string} */
export const guessed = (text, isGuess) => (isGuess ? `≈\u00a0${text}` : text);

// Formats a value of any unit with all its digits.
/** @type {(value: unknown, unit?: string) => string} */
export const exact = (value, unit) =>
  joined({ figure: typeof value === 'number' ? number(value, 9, 0) : String(value), unit });

// Rounds a value of any unit for a card.
/** @type {(value: unknown, unit?: string) => Figure} */
export function rounded(value, unit) {
  if (typeof value !== 'number') return { figure: String(value), unit };
  if (unit === 'W') return watts(value);
  const decimals = unit === '°C' || unit === 'V' ? 1 : Math.abs(value) >= 1000 ? 1 : 2;
  return { figure: number(value, decimals, unit === '°C' ? 1 : 0), unit };
}

// Time zone of the machine once it is known; the browser's until then.
/** @type {string | undefined} */
let zone;

/** @type {(name: string) => void} */
export function setZone(name) {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    zone = name;
  } catch {
    // A browser that is older than the zone keeps its own.
  }
}

export const zoneName = () => zone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @type {(options: Intl.DateTimeFormatOptions, timeZone?: string, tag?: string) => Intl.DateTimeFormat} */
export function formatter(options, timeZone = zone, tag = locale) {
  const key = JSON.stringify([options, timeZone, tag]);
  return kept(key, () => new Intl.DateTimeFormat(tag, { ...options, timeZone }));
}

/** @type {Intl.DateTimeFormatOptions} */
const DAY = { day: 'numeric', month: 'short' };
/** @type {Intl.DateTimeFormatOptions} */
export const DATE = { ...DAY, year: 'numeric' };

/** @type {(ms: number) => string} */
export const time = (ms) => formatter({ timeStyle: 'short' }).format(ms);

// Returns the local calendar's parts of a moment as numbers.
/** @type {(ms: number) => Record<string, number>} */
export function parts(ms) {
  /** @type {Intl.DateTimeFormatOptions} */
  const digits = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' };
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { ...digits, second: 'numeric', hourCycle: 'h23' };
  const found = formatter(options, zone, 'en-u-ca-iso8601-nu-latn').formatToParts(ms);
  return Object.fromEntries(found.map(({ type, value }) => [type, Number(value)]));
}

// Returns the moment at which UTC shows what the local calendar and clock show now.
/** @type {(ms: number) => number} */
export function localAsUtc(ms) {
  const { year, month, day, hour, minute, second } = parts(ms);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

// Returns the distance of local time from UTC, such as `+02:00`.
/** @type {(ms: number) => string} */
export function offset(ms) {
  const minutes = Math.round((localAsUtc(ms) - ms) / 60_000);
  /** @type {(number: number) => string} */
  const two = (number) => String(number).padStart(2, '0');
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${minutes < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`;
}

// Formats a moment: the time of today, else with the date.
/** @type {(ms: number, now: number) => string} */
export function moment(ms, now) {
  const [then, today] = [parts(ms), parts(now)];
  const [year, day] = [then.year === today.year, then.month === today.month && then.day === today.day];
  return year && day ? time(ms) : `${formatter(year ? DAY : DATE).format(ms)}, ${time(ms)}`;
}

const relative = new Intl.RelativeTimeFormat(locale, { style: 'narrow', numeric: 'always' });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const spans = /** @type {any} */ (Object.entries({ second: 1, minute: 60, hour: 3600, day: 86400 }));

// Formats the time since a moment.
/** @type {(ms: number | null | undefined, now: number) => string} */
export function age(ms, now) {
  if (!ms) return t('never');
  const seconds = Math.max(0, (now - ms) / 1000);
  const [unit, length] = spans.findLast(([, length]) => seconds >= length) ?? spans[0];
  return relative.format(-Math.floor(seconds / length), unit).replaceAll(' ', '\u00a0');
}
