// Reasons in the reader's language: the page has a text for each kind, and the program's own text says the rest.

import { h, show } from './dom.js';
import { known, t } from './text.js';

/** @typedef {{code?: string, message: string}} Reason */

/** @type {(code?: string) => string | null} */
const wordsOf = (code) => (code ? known(`reason_${code}`) : null);

/**
 * Returns a reason as one text.
 * @param {Reason} reason
 */
export function told({ code, message }) {
  const words = wordsOf(code);
  return words ? `${words} (${message})` : message;
}

/**
 * Returns why an answer has nothing to show; without an answer, that the program cannot be reached.
 * @param {{json: any} | null} answer
 */
export const refusal = (answer) => (answer?.json.error ? told(answer.json.error) : t('unreachable'));

/**
 * Returns a reason as the content of an element: the program's text is English.
 * @param {Reason} reason
 */
export function reasonOf({ code, message }) {
  const words = wordsOf(code);
  return words ? [words, ' ', h('small', { lang: 'en' }, message)] : [h('span', { lang: 'en' }, message)];
}

/**
 * Shows a reason, or hides the element where there is none.
 * @template {HTMLElement} E
 * @param {E} element
 * @param {Reason | null | undefined} reason
 */
export function explain(element, reason) {
  const content = reason ? reasonOf(reason) : [];
  const text = content.map((part) => (typeof part === 'string' ? part : part.textContent)).join('');
  if (element.textContent !== text) element.replaceChildren(...content);
  return show(element, Boolean(text));
}
