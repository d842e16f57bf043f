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
// Mark of a tab that was opened without the program: all its files are of one version. It lies beside those files, as
// browsers end an idle worker, and a newer one takes over.
/** @type {(tab: string) => string} */
const markOf = (tab) => new URL(`page/?${tab}`, base).href;

/** @type {(file: string) => boolean} */
const isForeign = (file) => /^[a-z]{2}\//.test(file) && !file.startsWith(`${language}/`);
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
  for (const name of await names()) {
    const tabs = await tabsOf(name);
    if (name !== version && !tabs.length) await caches.delete(name);
  }
  await worker.clients.claim();
}

const names = async () => (await caches.keys()).filter((name) => name.startsWith(mine));

// Returns the open tabs that take their files from a cache; marks of closed ones are removed.
/** @type {(name: string) => Promise<Request[]>} */
async function tabsOf(name) {
  const cache = await caches.open(name);
  const marks = (await cache.keys()).filter(({ url }) => url.startsWith(markOf('')));
  const open = await Promise.all(marks.map(({ url }) => worker.clients.get(new URL(url).search.slice(1))));
  await Promise.all(marks.map((mark, i) => open[i] || cache.delete(mark)));
  return marks.filter((_, i) => open[i]);
}

/** @type {(request: Request) => Promise<Response | undefined>} */
const kept = async (request) => (await caches.open(version)).match(request, { ignoreSearch: true });

// The page: from the program; from here if that is gone, or takes too long to say so.
/** @param {FetchEvent} event */
async function page(event) {
  const asked = fetch(event.request);
  // A proxy answers for a program that is not there.
  const real = asked.then((answer) => (answer.status >= 502 && answer.status <= 504 ? null : answer)).catch(() => null);
  const copy = await kept(event.request);
  if (!copy) return asked;
  /** @type {Promise<null>} */
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, null));
  const answer = await Promise.race([real, late]);
  if (answer) return answer;
  await tabsOf(version);
  await (await caches.open(version)).put(markOf(event.resultingClientId), new Response());
  return copy;
}

/** @param {FetchEvent} event */
async function file(event) {
  for (const name of await names()) {
    const cache = await caches.open(name);
    const copy = (await cache.match(markOf(event.clientId))) && (await cache.match(event.request, { ignoreSearch: true }));
    if (copy) return copy;
  }
  try {
    return await fetch(event.request);
  } catch (error) {
    const found = await kept(event.request);
    if (found) return found;
    throw error;
  }
}
