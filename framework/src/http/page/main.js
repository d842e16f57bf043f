// Starts the page, and shows one of its views.

import { current } from './address.js';
import * as command from './command.js';
import { h, s, say, set, show, write } from './dom.js';
import { moment } from './format.js';
import * as glance from './glance.js';
import * as live from './live.js';
import * as sources from './sources.js';
import { language, t } from './text.js';
import { takeToken, takeWanted } from './token.js';
import { ALIASES, VIEWS } from './views.js';

/** @type {(selector: string) => HTMLElement} */
const at = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
/** @type {(test: string) => HTMLElement} */
const find = (test) => at(`[data-test="${test}"]`);

takeWanted();
set(document.documentElement, { lang: language });
for (const element of document.querySelectorAll('[data-text]')) write(element, t(element.getAttribute('data-text') ?? ''));

const alarm = h('i.alarm@alarm', { role: 'img', hidden: true });
/** @type {(view: View) => HTMLElement} */
const tab = ({ name, label = name, icon }) => {
  const picture = s('svg', { 'aria-hidden': 'true', viewBox: '0 0 24 24' }, s('path', { d: icon }));
  return h(`a@nav-${name}`, { href: `#${name}` }, picture, h('span', t(label)), name === 'sources' ? alarm : null);
};
const tabs = new Map(VIEWS.filter(({ icon }) => icon).map((view) => [view.name, tab(view)]));
at('nav').replaceChildren(...tabs.values());

const sections = new Map(
  VIEWS.map(({ name }) => [name, h(`section.view.${name}@view-${name}`, { hidden: true })]),
);
at('main').replaceChildren(...sections.values());
/** @type {(name: string) => HTMLElement} */
const sectionOf = (name) => /** @type {HTMLElement} */ (sections.get(name));

// Modules of the views that have been started.
/** @type {Map<string, ViewModule>} */
const started = new Map();

// Returns the module of a view, which is loaded when it is shown for the first time.
/** @type {(view: View) => Promise<ViewModule | null>} */
async function loaded({ name, load }) {
  const section = sectionOf(name);
  try {
    const module = await load?.();
    if (module && !started.has(name)) {
      started.set(name, module);
      section.replaceChildren();
      module.start(section);
    }
    return started.get(name) ?? null;
  } catch {
    section.replaceChildren(h('p.banner', { role: 'alert' }, t('unreachable')));
    return null;
  }
}

/** @type {View | undefined} */
let shown;

async function navigate() {
  takeToken();
  const address = current();
  const wanted = ALIASES[address.view] ?? address.view;
  const view = VIEWS.find(({ name }) => name === wanted) ?? VIEWS[0];
  for (const [name, section] of sections) show(section, name === view.name);
  for (const [name, tab] of tabs) set(tab, { 'aria-current': name === (view.tab ?? view.name) ? 'page' : null });
  glance.entitle(t(view.name));
  if (shown !== view) scrollTo(0, 0);
  shown = view;
  const module = started.get(view.name) ?? (await loaded(view));
  // Another view may have been chosen meanwhile.
  if (shown === view) module?.open(address);
}

for (const { name, module } of VIEWS) {
  if (!module) continue;
  started.set(name, module);
  module.start(sectionOf(name));
}
command.start(find('toast'));
glance.start();
if (new URLSearchParams(location.search).has('kiosk')) import('./kiosk.js');

const [offline, demo] = [find('offline'), find('demo')];
live.onChange(() => {
  const { offlineSince, health } = live.house;
  say(offline, offlineSince === null ? null : t('offline', { time: moment(offlineSince, live.now()) }));
  show(demo, Boolean(health?.simulated));
  const problems = sources.problems();
  show(set(alarm, { 'aria-label': `${t('some_ill')} ${problems.join('; ')}` }), problems.length > 0);
});

addEventListener('hashchange', navigate);
navigate();

// The first frame after the first data: the page is complete and interactive.
const first = () => requestAnimationFrame(() => performance.mark('interactive'));
live
  .start()
  .then(first)
  .then(() => Promise.all(VIEWS.map(({ soon, load }) => soon && load?.().catch(() => {}))))
  // What nobody needs at once comes last.
  .then(() => Promise.all([import('./copy.js'), import('./install.js')]))
  .then((modules) => modules.forEach(({ start }) => start()));
