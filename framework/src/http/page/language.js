// Language of the page: the browser's, or English. Each has a folder: the texts of the page are loaded at the same time
// as everything else, those of the household's views and of the setup with these.

const LANGUAGES = ['de', 'en', 'fr', 'nl'];
/** @type {(tag: string) => string} */
const languageOf = (tag) => tag.split('-')[0].toLowerCase();

// The browser's own locale, because de-AT formats numbers differently than de-DE.
export const locale =
  (navigator.languages ?? [navigator.language]).find((tag) => LANGUAGES.includes(languageOf(tag))) ?? 'en-GB';
export const language = languageOf(locale);
/** @type {(part: string) => Promise<Record<string, string>>} */
export const textsOf = (part) => import(`./${language}/${part}.js`).then((file) => file.default);
export const texts = textsOf('page');
