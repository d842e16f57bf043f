// Service worker: shows the frame of the page while the program cannot be reached.
//
// It keeps the page's own files, in one version and one language, and never a number: everything else goes to the
// program as without it. Also the files come from the program first, so that nobody sees an old page of a new program.

// The program fills these in. With any change of a file, browsers install this file anew.
const VERSION = '{version}';
const FILES = '{files}'.split(' ');

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const base = new URL('../', location.href);
const language = location.search.slice(1);
// One origin may have the pages of several programs, each below its own path.
const mine = `smartmeter ${base.pathname} `;
const version = `${mine}${VERSION} ${language}`;
const PATIENCE = 4000;
// Tabs that were opened without the program: all their files are of one version.
const detached = new Set();

/** @type {(file: string) => boolean} */
const isForeign = (file) => /^[a-z]{2}\.js$/.test(file) && file !== `${language}.js`;
/** @type {(file: string) => string} */
const addressOf = (file) => new URL(file === 'index.html' ? './' : `page/${file}`, base).href;

worker.addEventListener('install', (event) => event.waitUntil(keep()));
worker.addEventListener('activate', (event) => event.waitUntil(takeOver()));
worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== base.origin || !pathname.startsWith(base.pathname)) return;
  const path = pathname.slice(base.pathname.length);
  if (request.mode === 'navigate' && path === '') event.respondWith(page(event));
  else if (path.startsWith('page/')) event.respondWith(file(event));
});

async function keep() {
  const cache = await caches.open(version);
  await cache.addAll(FILES.filter((file) => !isForeign(file)).map(addressOf));
  await worker.skipWaiting();
}

async function takeOver() {
  const names = await caches.keys();
  const old = names.filter((other) => other.startsWith(mine) && other !== version);
  await Promise.all(old.map((other) => caches.delete(other)));
  await worker.registration.navigationPreload?.enable();
  await worker.clients.claim();
}

/** @type {(request: Request) => Promise<Response | undefined>} */
const kept = async (request) => (await caches.open(version)).match(request, { ignoreSearch: true });

// The page: from the program; from here if that is gone, or takes too long to say so.
/** @param {FetchEvent} event */
async function page(event) {
  const asked = Promise.resolve(event.preloadResponse).then((answer) => answer ?? fetch(event.request));
  // A proxy answers for a program that is not there.
  const real = asked.then((answer) => (answer.status >= 502 && answer.status <= 504 ? null : answer)).catch(() => null);
  const copy = await kept(event.request);
  if (!copy) return asked;
  /** @type {Promise<null>} */
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, null));
  const answer = await Promise.race([real, late]);
  if (answer) return answer;
  detached.add(event.resultingClientId);
  return copy;
}

/** @param {FetchEvent} event */
async function file(event) {
  const copy = () => kept(event.request);
  if (detached.has(event.clientId)) return (await copy()) ?? fetch(event.request);
  try {
    return await fetch(event.request);
  } catch (error) {
    const found = await copy();
    if (found) return found;
    throw error;
  }
}
