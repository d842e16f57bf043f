// Texts of TOML: sections that are written, and keys that are changed in them.

// Returns a text in quotes. TOML has JSON's escapes, and escapes one more control character.
/** @type {(text: string) => string} */
export const quoted = (text) => JSON.stringify(text).replace(/\u007f/g, '\\u007f');

/** @type {(name: string) => string} */
const keyOf = (name) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : quoted(name));

/** @type {(value: unknown) => string} */
const valueOf = (value) => (typeof value === 'string' ? quoted(value) : String(value));

// Returns a section: its header, and a line for each key that has a value.
/** @type {(group: string, name: string, keys: Record<string, unknown>) => string} */
export function section(group, name, keys) {
  const given = Object.entries(keys).filter(([, value]) => value !== undefined && value !== '');
  return `[${group}.${keyOf(name)}]\n${given.map(([key, value]) => `${key} = ${valueOf(value)}\n`).join('')}`;
}

// Returns the key on a line of a text, from 1.
/** @type {(text: string, line: number) => string | null} */
export const keyAt = (text, line) => /^\s*([\w-]+)\s*=/.exec(text.split('\n')[line - 1] ?? '')?.[1] ?? null;

// Lines of a section without its header: `[from, to)`; `null` if the text has no such section.
/** @type {(lines: string[], name: string) => [number, number] | null} */
function linesOf(lines, name) {
  const heads = [`[sources.${keyOf(name)}]`, `[sources.${quoted(name)}]`];
  const head = lines.findIndex((line) => heads.includes(line.replace(/#.*/, '').trim()));
  if (head < 0) return null;
  const next = lines.findIndex((line, i) => i > head && /^\s*\[/.test(line));
  return [head + 1, next < 0 ? lines.length : next];
}

// Returns whether a text sets a key of a source.
/** @type {(text: string | null | undefined, name: string, key: string) => boolean} */
export function hasKey(text, name, key) {
  const lines = (text ?? '').split('\n');
  const [from, to] = linesOf(lines, name) ?? [0, 0];
  return lines.slice(from, to).some((line) => new RegExp(`^\\s*${key}\\s*=`).test(line));
}

// Returns a text with these keys of a source; one without a value is taken out.
/** @type {(text: string | null | undefined, name: string, keys: Record<string, string>) => string} */
export function withKeys(text, name, keys) {
  const lines = (text ?? '').split('\n');
  const found = linesOf(lines, name);
  if (!found) return section('sources', name, keys);
  const [from, to] = found;
  /** @type {(line: string) => boolean} */
  const isChanged = (line) => Object.keys(keys).some((key) => new RegExp(`^\\s*${key}\\s*=`).test(line));
  const kept = lines.slice(from, to).filter((line) => !isChanged(line));
  const given = Object.entries(keys).filter(([, value]) => value);
  const set = given.map(([key, value]) => `${key} = ${valueOf(value)}`);
  return [...lines.slice(0, from), ...set, ...kept, ...lines.slice(to)].join('\n');
}

// Returns a name for a section out of words: `Wärmepumpe 2` is `waermepumpe_2`. It is none of `taken`.
/** @type {(words: string, usual: string, taken: string[]) => string} */
export function nameFor(words, usual, taken) {
  /** @type {Record<string, string>} */
  const german = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' };
  const plain = words.toLowerCase().replace(/[äöüß]/g, (letter) => german[letter]).normalize('NFKD').replace(/\p{M}/gu, '');
  const name = plain.replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 40) || usual;
  for (let number = 1; ; number += 1) {
    const next = number === 1 ? name : `${name}_${number}`;
    if (!taken.includes(next)) return next;
  }
}

// Returns the file of a section.
/** @type {(number: number, name: string) => string} */
export const fileOf = (number, name) => `${number}-${name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 50)}.toml`;
