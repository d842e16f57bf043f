// Texts of the page in the browser's language.

import de from './de.js';
import en from './en.js';

const wanted = (navigator.languages ?? [navigator.language]).find((tag) => /^(de|en)\b/i.test(tag)) ?? 'en-GB';
export const language = wanted.slice(0, 2).toLowerCase();
// The browser's own locale, because de-AT formats numbers differently than de-DE.
export const locale = wanted;
const texts = { ...(language === 'de' ? de : en) };

// Adds the texts of a part of the page that is loaded later.
export const learn = (more) => Object.assign(texts, more);

// Returns the text of a key, with its {places} filled in.
export const t = (key, values = {}) => (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');

// Returns the text of a key that may not exist.
export const known = (key) => (Object.hasOwn(texts, key) ? texts[key] : null);
