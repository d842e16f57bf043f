// Numbers to take away: with all digits, for a spreadsheet or another form.

import { separators } from './format.js';

/**
 * Returns all digits of a number that mean something: sums of decimals have an error in the fifteenth.
 * @param {number} value
 */
export function digits(value) {
  const text = Math.abs(value) < 1e21 ? value.toFixed(9).replace(/\.?0+$/, '') : String(value);
  return (text === '-0' ? '0' : text).replace('.', separators.decimal ?? '.');
}

/**
 * Returns a text that is copied with all digits of its number.
 * @param {number} value
 * @param {string} [unit]
 */
export const full = (value, unit) => (unit ? `${digits(value)} ${unit}` : digits(value));
