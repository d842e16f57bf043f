// Takes a view's numbers away as CSV, as spreadsheets of the reader's locale read it; loaded when it is used.

import { iso } from './calendar.js';
import { digits } from './digits.js';
import { localAsUtc, offset, separators, zoneName } from './format.js';
import { t } from './text.js';

/** @typedef {{at: number}} Moment */
/** @typedef {{value: number, decimals: number}} Counted */
/** @typedef {string | number | null | undefined | Moment | Counted} Cell */

// Where the comma is in the numbers, a semicolon is between them.
const between = separators.decimal === ',' ? ';' : ',';

// Local time of the machine, as every spreadsheet reads it.
/** @type {(ms: number) => string} */
const local = (ms) => iso(localAsUtc(ms), 19).replace('T', ' ');

// A text that would be a formula begins with an apostrophe, as in the program's own files (libs/reading/src/spreadsheet.rs).
/** @type {(text: string) => string} */
const guarded = (text) => (/^[=+\-@']/.test(text) ? `'${text}` : text);

/** @type {(text: string) => string} */
const quoted = (text) => (/["\r\n;,\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

// A moment takes two columns: at the end of summer time, the local time alone would be there twice.
/** @type {(cell: Cell) => string[]} */
function written(cell) {
  if (cell == null) return [''];
  if (typeof cell === 'number') return [digits(cell)];
  if (typeof cell === 'object' && 'value' in cell) return [digits(cell.value, cell.decimals)];
  if (typeof cell === 'object') return [local(cell.at), offset(cell.at)];
  return [quoted(guarded(cell))];
}

/**
 * Returns a table as CSV. `heads` has a title for each column, and a moment two columns.
 * @param {string[]} heads
 * @param {Cell[][]} rows
 */
export function csvOf(heads, rows) {
  const lines = [heads.map((head) => quoted(guarded(head))), ...rows.map((row) => row.flatMap(written))];
  // A mark of UTF-8: Excel takes the text for another encoding without it.
  return `\ufeff${lines.map((line) => line.join(between)).join('\r\n')}\r\n`;
}

// Titles of the two columns of a moment.
export const timeHeads = () => [`${t('time')} (${zoneName()})`, t('utc')];

/**
 * Saves a table. `name` says what it is: it becomes the name of the file.
 * @param {string} name
 * @param {string[]} heads
 * @param {Cell[][]} rows
 */
export const saveCsv = (name, heads, rows) => save(`${name}.csv`, new Blob([csvOf(heads, rows)], { type: 'text/csv' }));

// Some systems name a file `download` whose name has an umlaut or an accent. Letters of other scripts stay.
/** @type {(name: string) => string} */
const unaccented = (name) => name.normalize('NFD').replace(/(\p{Script=Latin})\p{M}+/gu, '$1').normalize('NFC');

/**
 * Saves a file, below a name that every system takes.
 * @param {string} name
 * @param {Blob} content
 */
export function save(name, content) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = unaccented(name).replace(/[^\p{L}\p{M}\p{N}.]+/gu, '-').replace(/^[-.]+|-(?=\.\w+$)/g, '');
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @typedef {{title: string, heads: string[], unit?: string, items: {at: number, start?: number, cells: string[], values?: Cell[]}[]}} Charted */

/**
 * Saves all series of a chart. The cells of a chart that has no values, as its notes, stay texts.
 * @param {string} name
 * @param {Charted} chart
 */
export function saveChart(name, { heads, unit, items }) {
  const isNumber = heads.map((_, i) => items.some(({ values }) => typeof values?.[i] === 'number'));
  const titles = heads.map((head, i) => (unit && isNumber[i] ? `${head} (${unit})` : head));
  const rows = items.map(({ at, start, cells, values }) => [
    { at: start ?? at },
    ...heads.map((_, i) => (isNumber[i] ? values?.[i] : cells[i])),
  ]);
  saveCsv(name, [...timeHeads(), ...titles], rows);
}
