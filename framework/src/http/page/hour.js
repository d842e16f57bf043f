// The last hour as a small chart beside the big figure.

import { areas, extent, runs } from './chart.js';
import { h, on, s, set, show, table } from './dom.js';
import { power, time } from './format.js';
import { now } from './live.js';
import { t } from './text.js';
import { LastHour } from './today.js';

const [WIDTH, HEIGHT] = [300, 90];

export class Hour {
  #last = new LastHour();
  #drawn = -Infinity;
  #at = 0;
  #details = h('details', {}, h('summary', {}, t('last_hour')), h('div', { class: 'scroll' }));
  #svg = s('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    role: 'img',
    'data-test': 'spark',
  });

  constructor(subject) {
    this.element = h('figure', { class: 'spark', hidden: true }, this.#svg, this.#details);
    on(this.#details, 'toggle', () => this.#fillTable());
    this.#last
      .load(subject)
      .then(() => this.update(true, true))
      .catch(() => {});
  }

  add(at, value) {
    if (at !== this.#at) this.#last.add(at, value);
    this.#at = at;
  }

  update(live, force = false) {
    set(this.element, { 'data-stale': String(!live) });
    // Once in five seconds is often enough for a line of an hour.
    if (!force && performance.now() - this.#drawn < 5000) return;
    const points = this.#last.points();
    show(this.element, points.length > 1);
    if (points.length < 2) return;
    this.#drawn = performance.now();
    const values = points.map(({ value }) => value);
    const [least, most] = extent(values, 100);
    const end = now();
    const x = (at) => WIDTH * (1 - (end - at) / 3_600_000);
    const y = (value) => HEIGHT - 4 - ((value - least) / (most - least)) * (HEIGHT - 8);
    const found = runs(
      points.map(({ at }) => at),
      values,
    );
    const lines = found.map((run) => run.map((i) => [Math.min(WIDTH, x(points[i].at + 30_000)), y(values[i])]));
    const zero = s('line', { class: 'grid', x1: 0, x2: WIDTH, y1: y(0), y2: y(0) });
    this.#svg.replaceChildren(zero, ...areas(lines, y(0), WIDTH, HEIGHT, 'spark'));
    const [min, max] = [Math.min(...values), Math.max(...values)];
    set(this.#svg, {
      'aria-label': t('last_hour_label', { min: power(min), max: power(max), now: power(values.at(-1)) }),
    });
    this.#fillTable();
  }

  // The minutes that the line is made of; only once somebody looks.
  #fillTable() {
    const points = this.#details.open ? this.#last.points() : [];
    const rows = points.reverse().map(({ at, value }) => [time(at), power(value)]);
    const made = table([t('time'), t('power')], rows);
    set(made, { 'aria-label': t('last_hour') });
    this.#details.lastChild.replaceChildren(made);
  }
}
