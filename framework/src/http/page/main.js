// Starts the page, and shows one of its views.

import * as command from './command.js';
import { say, set, show, write } from './dom.js';
import { moment } from './format.js';
import * as history from './history.js';
import * as live from './live.js';
import * as now from './now.js';
import * as sources from './sources.js';
import { language, t } from './text.js';

const VIEWS = ['now', 'history', 'sources'];
const find = (test) => document.querySelector(`[data-test="${test}"]`);

set(document.documentElement, { lang: language });
for (const element of document.querySelectorAll('[data-text]')) write(element, t(element.dataset.text));

function navigate() {
  const wanted = VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : 'now';
  for (const name of VIEWS) {
    show(find(`view-${name}`), name === wanted);
    set(find(`nav-${name}`), { 'aria-current': name === wanted ? 'page' : null });
  }
  document.title = `${t(wanted)} – smartmeter`;
  ({ now: now.refresh, history: history.open, sources: sources.update })[wanted]();
  scrollTo(0, 0);
}

now.start(find('view-now'));
history.start(find('view-history'));
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
