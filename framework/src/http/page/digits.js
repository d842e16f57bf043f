// Numbers to take away: with all digits, for a spreadsheet or another form.

import { separators } from './format.js';

/**
 * Returns all digits of a number that mean something: sums of decimals have an error in the fifteenth.
 * `least` digits after the point are there even if they are zeros, as a meter shows them.
 * @param {number} value
 * @param {number} [least]
 */
export function digits(value, least = 0) {
  const text = Math.abs(value) < 1e21 ? padded(value.toFixed(9).replace(/\.?0+$/, ''), least) : String(value);
  return (text === '-0' ? '0' : text).replace('.', separators.decimal ?? '.');
}

/**
 * Returns a text that is copied with all digits of its number.
 * @param {number} value
 * @param {string} [unit]
 */
export const full = (value, unit) => (unit ? `${digits(value)} ${unit}` : digits(value));

/** @type {(text: string, least: number) => string} */
function padded(text, least) {
  const [whole, decimals = ''] = text.split('.');
  return least || decimals ? `${whole}.${decimals.padEnd(least, '0')}` : whole;
}
