// Views of the page, in the order of their tabs: a line each.
//
// A view is a module with `start(section)`, called once, and `open(address)`, called whenever it is shown or its address
// changes. One without `load` is there from the beginning, the others are loaded when they are first shown, or `soon` after
// the first picture. `icon` is the path of a tab's picture, 24 wide and high; a view without one belongs to the tab `tab`.
// `t(name)` is its title, `t(label)` that of its tab.

import * as now from './now.js';
import * as sources from './sources.js';

/** @type {View[]} */
export const VIEWS = [
  { name: 'now', icon: 'M13 2 4 14h7l-1 8 9-12h-7z', module: now },
  { name: 'history', icon: 'M4 20V11M10 20V4M16 20v-7M22 20H2', load: () => import('./history.js'), soon: true },
  { name: 'readings', label: 'household', icon: 'M3 11 12 4l9 7M6 9v11h12V9', load: () => import('./readings.js') },
  { name: 'costs', tab: 'readings', load: () => import('./costs.js') },
  { name: 'insights', tab: 'readings', load: () => import('./insights.js') },
  { name: 'sources', icon: 'M4 13a8 8 0 1 0 16 0 8 8 0 1 0-16 0m8-1 4-4M9 2h6', module: sources },
  { name: 'setup', tab: 'sources', load: () => import('./setup.js') },
];

// Addresses that older links have.
/** @type {Record<string, string>} */
export const ALIASES = { find: 'setup' };
