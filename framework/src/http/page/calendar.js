// Days of the local calendar: as their midnight in UTC (`Date.UTC`), so that summer time does not affect sums of days, and
// as addresses write them (`2025-12-31`).

import { localAsUtc } from './format.js';

export const DAY = 24 * 3_600_000;

/** @type {(day: number, length?: number) => string} */
export const iso = (day, length = 10) => new Date(day).toISOString().slice(0, length);

// Returns the day that a text names; `null` if it names none. A browser may take the 31st of February for a day in March.
/** @type {(text: string | undefined) => number | null} */
export function civilOf(text) {
  const day = Date.parse(`${text}T00:00Z`);
  return !Number.isNaN(day) && iso(day) === text ? day : null;
}

// Returns the day of a moment.
/** @type {(at: number) => number} */
export const civilDay = (at) => Math.floor(localAsUtc(at) / DAY) * DAY;

/** @type {(at: number) => string} */
export const localDay = (at) => iso(civilDay(at));

// Returns a day from its year, its month from 1, and its day; those beyond the end of a month run on.
/** @type {(year: number, month?: number, day?: number) => string} */
export const dayOf = (year, month = 1, day = 1) => iso(Date.UTC(year, month - 1, day));

// Returns the day that comes some days after another.
/** @type {(day: string, days: number) => string} */
export const later = (day, days) => iso(Date.parse(day) + days * DAY);

// Returns the day if it is one: an address may have any text.
/** @type {(text: string | undefined) => string | null} */
export const valid = (text) => (civilOf(text) === null ? null : /** @type {string} */ (text));

// Returns the local minute of a moment, as addresses and tables write it: `2025-12-31T23:59`.
/** @type {(at: number) => string} */
export const localMinute = (at) => iso(localAsUtc(at), 16);
