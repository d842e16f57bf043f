// What an answer says that is not OK.

import { h } from './dom.js';
import { reasonOf } from './reasons.js';
import { t } from './text.js';

// Mistakes of a configuration: line and reason of each.
/** @typedef {Fault & {file?: string, line?: number, hint?: string}} Mistake */
/** @type {(mistakes?: Mistake[]) => HTMLElement} */
export function mistakesOf(mistakes = []) {
  /** @type {(mistake: Mistake) => string} */
  const place = ({ file, line }) => [file, line && t('line', { line })].filter(Boolean).join(', ');
  /** @type {(mistake: Mistake) => HTMLElement} */
  const item = (mistake) => {
    const at = place(mistake);
    return h('li', at ? h('strong', `${at}: `) : null, reasonOf({ code: mistake.code, message: [mistake.message, mistake.hint].filter(Boolean).join('. ') }));
  };
  return h('ul.mistakes@mistakes', mistakes.map(item));
}

// What an answer that is not OK says.
/** @type {(answer: {json: any, reason?: string, status: number}) => (HTMLElement | string)[]} */
export const failureOf = ({ json, reason, status }) => {
  if (json.mistakes?.length) return [h('strong', t('not_saved_wrong')), mistakesOf(json.mistakes)];
  if (!reason) return [h('strong', t('did_not_work')), t(status ? 'unknown_reason' : 'unreachable')];
  const { code, cause = code } = json.error ?? {};
  return [h('strong', t('did_not_work')), h('span', reasonOf({ code: cause, message: reason }))];
};
