// How a phone opens the page: its address, a QR code of it, and what to do if the phone may not read.

import { h } from './dom.js';
import { t } from './text.js';

/** @typedef {{addresses: string[], may_read: boolean, reason?: string}} Lan */

const isOwn = (/** @type {string} */ host) => host === 'localhost' || host.endsWith('.localhost') || /^(127\.|\[::1\])/.test(host);

// What a person must do, by the reason.
/** @type {Record<string, (config: string) => {text: string, code?: string}>} */
const REMEDIES = {
  this_machine_only: (config) => ({ text: t('reach_this_machine_only', { config }), code: '[server]\nlisten = "0.0.0.0:8080"' }),
  no_network: () => ({ text: t('reach_no_network') }),
  token_needed: () => ({ text: t('reach_token_needed'), code: 'sudo smartmeter token' }),
};

/**
 * Returns the card.
 * @param {Lan} lan
 * @param {string} config
 */
export function reach({ addresses, may_read: mayRead, reason }, config) {
  // Behind a proxy only the address that the page has been opened at is right.
  const here = isOwn(location.hostname) ? [] : [new URL('./', location.href).href.replace(/[?#].*/, '')];
  const [first, ...others] = [...new Set([...here, ...addresses])];
  const isReachable = Boolean(first) && (mayRead || reason === 'token_needed' || here.length > 0);
  const remedy = mayRead ? null : REMEDIES[reason ?? '']?.(config);
  const attributes = { src: `qr?address=${encodeURIComponent(first)}`, alt: t('reach_qr', { address: first }), width: 200, height: 200 };
  const code = isReachable ? h('img.qr@reach-qr', attributes) : null;
  const link = isReachable ? h('p.address@reach-address', h('a', { href: first }, first)) : null;
  return h('section.card.stack@reach', [
    h('h2', t('reach')),
    isReachable ? h('p.hint', t('reach_text')) : null,
    code,
    link,
    isReachable && others.length ? h('p.hint', t('reach_others', { addresses: others.join(', ') })) : null,
    mayRead ? h('p.hint@reach-open', t('reach_open')) : null,
    remedy && h('p@reach-remedy', remedy.text),
    remedy?.code ? h('pre', remedy.code) : null,
  ]);
}
