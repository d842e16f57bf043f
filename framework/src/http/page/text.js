// Texts of the page in the browser's language.

import { language, locale, texts as loading, textsOf } from './language.js';

export { language, locale };
const texts = await loading;

// Loads the texts of a part that is not always there.
/** @type {(part: string) => Promise<unknown>} */
export const loadTexts = async (part) => Object.assign(texts, await textsOf(part));

// Returns the text of a key, with its {places} filled in.
/** @type {(key: string, values?: Record<string, string | number>) => string} */
export const t = (key, values = {}) => (texts[key] ?? key).replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ name) => String(values[name] ?? ''));

// Returns the text of a key that may not exist.
/** @type {(key: string) => string | null} */
export const known = (key) => (Object.hasOwn(texts, key) ? texts[key] : null);
