// Numbers, dates and ages in the browser's locale.

import { locale, t } from './text.js';

const dashes = '–';
const numbers = new Map();

// Formats a number with `least` to `most` decimals.
export function number(value, most = 0, least = most) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return dashes;
  const key = most * 32 + least;
  let format = numbers.get(key);
  if (!format) {
    format = new Intl.NumberFormat(locale, { maximumFractionDigits: most, minimumFractionDigits: least });
    numbers.set(key, format);
  }
  // A minus of full width, and never minus zero.
  return format
    .format(value)
    .replace(/^-(?=[0.,]*$)/, '')
    .replace('-', '−');
}

// Separators of the locale.
export const separators = Object.fromEntries(
  new Intl.NumberFormat(locale).formatToParts(1_234_567.5).map(({ type, value }) => [type, value]),
);

export const percent = (share) => `${number(share * 100)} %`;

// Returns watts as a figure and its unit.
export function watts(value) {
  const large = Math.abs(value) >= 9999.5;
  return { figure: number(large ? value / 1000 : value, large ? 1 : 0), unit: large ? 'kW' : 'W' };
}

export const power = (value) => joined(watts(value));

// Formats an amount of energy or volume, with about three digits.
export const amount = (value, unit) => {
  const decimals = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return joined({ figure: number(value, decimals), unit });
};

// Formats a value of any unit with all its digits.
export function exact(value, unit) {
  const figure = typeof value === 'number' ? number(value, 9, 0) : String(value);
  return joined({ figure, unit });
}

// Rounds a value of any unit for a card.
export function rounded(value, unit) {
  if (typeof value !== 'number') return { figure: String(value), unit };
  if (unit === 'W') return watts(value);
  const decimals = unit === '°C' || unit === 'V' ? 1 : Math.abs(value) >= 1000 ? 1 : 2;
  return { figure: number(value, decimals, unit === '°C' ? 1 : 0), unit };
}

export const joined = ({ figure, unit }) => (unit ? `${figure}\u00a0${unit}` : figure);

// Time zone of the machine once it is known; the browser's until then.
let zone;
const dates = new Map();

export function setZone(name) {
  if (!name || name === zone) return;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    return; // a browser that is older than the zone
  }
  zone = name;
  dates.clear();
}

export function formatter(name, options, inZone = true) {
  const key = name + inZone;
  let format = dates.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(locale, { ...options, timeZone: inZone ? zone : 'UTC' });
    dates.set(key, format);
  }
  return format;
}

const DATE = { day: 'numeric', month: 'short' };

export const time = (ms) => formatter('time', { timeStyle: 'short' }).format(ms);

// Returns the local calendar's parts of a moment as numbers.
export function parts(ms) {
  const key = 'parts';
  let format = dates.get(key);
  if (!format) {
    const digits = {
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    };
    format = new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', { ...digits, hourCycle: 'h23', timeZone: zone });
    dates.set(key, format);
  }
  return Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
}

// Formats a moment: the time of today, else with the date.
export function moment(ms, now) {
  const [then, today] = [parts(ms), parts(now)];
  const same = then.year === today.year && then.month === today.month && then.day === today.day;
  if (same) return time(ms);
  const date = then.year === today.year ? formatter('day', DATE) : formatter('date', { ...DATE, year: 'numeric' });
  return `${date.format(ms)}, ${time(ms)}`;
}

const relative = new Intl.RelativeTimeFormat(locale, { style: 'narrow', numeric: 'always' });
const spans = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86400],
];

// Formats the time since a moment.
export function age(ms, now) {
  if (!ms) return t('never');
  const seconds = Math.max(0, (now - ms) / 1000);
  const [unit, length] = spans.findLast(([, length]) => seconds >= length) ?? spans[0];
  return relative.format(-Math.floor(seconds / length), unit);
}
