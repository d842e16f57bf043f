// `?kiosk`: the page on a tablet at the wall. Nothing to tap, large, and the screen stays on where the browser permits.

import { h } from './dom.js';
import { house, onChange, onRestart } from './live.js';

let version;

document.head.append(h('link', { rel: 'stylesheet', href: 'page/kiosk.css' }));
document.documentElement.classList.add('kiosk');
document.addEventListener('visibilitychange', keepAwake);
keepAwake();

// Nobody reloads a wall after an update.
onRestart(() => {
  version ??= house.health?.version;
  if (version !== house.health?.version) location.reload();
});

// What the tiles say has no row of its own.
onChange(() => {
  for (const row of document.querySelectorAll('.other')) {
    const [section] = (row.getAttribute('title') ?? '').split('/');
    row.toggleAttribute('hidden', ['balance', 'cost'].includes(house.health?.sources[section]?.plugin ?? ''));
  }
});

// Browsers permit it over HTTPS and on this machine, and end it when the tab is hidden.
async function keepAwake() {
  try {
    if (!document.hidden) await navigator.wakeLock?.request('screen');
  } catch {
    // A tablet with little power refuses.
  }
}
