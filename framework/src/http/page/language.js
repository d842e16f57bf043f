// Language of the page: the browser's, or English. Only its file is loaded, at the same time as everything else.

const LANGUAGES = ['de', 'en', 'fr', 'nl'];
/** @type {(tag: string) => string} */
const languageOf = (tag) => tag.split('-')[0].toLowerCase();

// The browser's own locale, because de-AT formats numbers differently than de-DE.
export const locale =
  (navigator.languages ?? [navigator.language]).find((tag) => LANGUAGES.includes(languageOf(tag))) ?? 'en-GB';
export const language = languageOf(locale);
export const texts = import(`./${language}.js`).then((file) => file.default);
