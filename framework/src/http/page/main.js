// Starts the page, and shows one of its views.

import * as command from './command.js';
import { h, say, set, show, write } from './dom.js';
import { moment } from './format.js';
import * as past from './history.js';
import * as live from './live.js';
import * as now from './now.js';
import * as sources from './sources.js';
import { language, t } from './text.js';
import { takeToken } from './token.js';

const VIEWS = ['now', 'history', 'sources', 'setup'];
// The setup belongs to the sources.
const TABS = { setup: 'sources' };
const find = (test) => document.querySelector(`[data-test="${test}"]`);

set(document.documentElement, { lang: language });
for (const element of document.querySelectorAll('[data-text]')) write(element, t(element.dataset.text));

// The setup is loaded when it is opened for the first time. `#find` starts the search at once.
async function openSetup(isSearch) {
  if (isSearch) history.replaceState(null, '', '#setup');
  const view = find('view-setup');
  try {
    const setup = await import('./setup.js');
    await setup.open(view, isSearch);
  } catch {
    view.replaceChildren(h('p.banner', { role: 'alert' }, t('unreachable')));
  }
}

function navigate() {
  takeToken();
  const name = location.hash.slice(1);
  const isSearch = name === 'find';
  const wanted = isSearch ? 'setup' : VIEWS.includes(name) ? name : 'now';
  for (const name of VIEWS) {
    show(find(`view-${name}`), name === wanted);
    if (!TABS[name]) set(find(`nav-${name}`), { 'aria-current': name === (TABS[wanted] ?? wanted) ? 'page' : null });
  }
  document.title = `${t(wanted)} – smartmeter`;
  const open = { now: now.refresh, history: past.open, sources: sources.update, setup: () => openSetup(isSearch) };
  open[wanted]();
  scrollTo(0, 0);
}

now.start(find('view-now'));
past.start(find('view-history'));
sources.start(find('view-sources'));
command.start(find('toast'));

const [offline, demo, alarm] = [find('offline'), find('demo'), document.querySelector('.alarm')];
live.onChange(() => {
  const { offlineSince, health } = live.house;
  say(offline, offlineSince && t('offline', { time: moment(offlineSince, live.now()) }));
  show(demo, Boolean(health?.simulated));
  const problems = sources.problems();
  show(set(alarm, { 'aria-label': `${t('some_ill')} ${problems.join('; ')}` }), problems.length > 0);
});

addEventListener('hashchange', navigate);
navigate();

// The first frame after the first data: the page is complete and interactive.
const first = () => requestAnimationFrame(() => performance.mark('interactive'));
live.start().then(first);
