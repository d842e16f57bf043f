// The last hour as a small chart beside the big figure.

import { areas, runs } from './curves.js';
import { h, on, s, set, show, table, write } from './dom.js';
import { power, time } from './format.js';
import { now } from './live.js';
import { extent } from './scale.js';
import { t } from './text.js';
import { LastHour } from './today.js';

const [WIDTH, HEIGHT] = [300, 90];

export class Hour {
  #subject;
  #last = new LastHour();
  #live = true;
  #drawn = -Infinity;
  #at = 0;
  #range = h('summary');
  #details = h('details', this.#range, h('div.scroll'));
  #svg = s('svg@spark', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });

  /** @param {Subject} subject */
  constructor(subject) {
    this.#subject = subject;
    this.element = h('figure.spark', { hidden: true }, this.#svg, this.#details);
    on(this.#details, 'toggle', () => this.#fillTable());
    this.load();
  }

  // Fills in what the page has not heard itself.
  async load() {
    await this.#last.load(this.#subject).catch(() => {});
    this.update(this.#live, true);
  }

  /** @type {(at: number, value: number) => void} */
  add(at, value) {
    if (at !== this.#at) this.#last.add(at, value);
    this.#at = at;
  }

  /** @type {(live: boolean, force?: boolean) => void} */
  update(live, force = false) {
    this.#live = live;
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
    /** @type {(at: number) => number} */
    const x = (at) => WIDTH * (1 - (end - at) / 3_600_000);
    /** @type {(value: number) => number} */
    const y = (value) => HEIGHT - 4 - ((value - least) / (most - least)) * (HEIGHT - 8);
    const times = points.map(({ at }) => at);
    /** @type {(i: number) => [number, number]} */
    const point = (i) => [Math.min(WIDTH, x(times[i] + 30_000)), y(values[i])];
    const lines = runs(times, values).map((run) => run.map(point));
    const zero = s('line.grid', { x1: 0, x2: WIDTH, y1: y(0), y2: y(0) });
    this.#svg.replaceChildren(zero, ...areas(lines, y(0), WIDTH, HEIGHT, 'spark'));
    const [min, max, newest] = [Math.min(...values), Math.max(...values), values.at(-1) ?? 0].map(power);
    set(this.#svg, { 'aria-label': t('last_hour_label', { min, max, now: newest }) });
    write(this.#range, t('last_hour_range', { min, max }));
    this.#fillTable();
  }

  // The minutes that the line is made of; only once somebody looks.
  #fillTable() {
    const points = this.#details.open ? this.#last.points() : [];
    const rows = points.reverse().map(({ at, value }) => [time(at), power(value)]);
    this.#details.lastElementChild?.replaceChildren(table([t('time'), t('power')], rows, t('last_hour')));
  }
}
