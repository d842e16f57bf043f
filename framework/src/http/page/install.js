// Registers the service worker, where the browser has one: over HTTPS, and on this machine.

import { language } from './text.js';

const WORKER = 'page/worker.js';

export async function start() {
  try {
    await navigator.serviceWorker?.register(`${WORKER}?${language}`, { scope: './', updateViaCache: 'none' });
  } catch {
    // Without it, the page works as long as the program does.
  }
}
