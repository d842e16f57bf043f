// Charts in SVG: curves and bars with their axes, a legend, values under the pointer, and a table.

import { barNodes, hatches, stack } from './bars.js';
import { curveNodes } from './curves.js';
import { full } from './digits.js';
import { button, h, on, s, say, set, table, write } from './dom.js';
import { parts } from './format.js';
import { extent, scale } from './scale.js';
import { t } from './text.js';
import { Tooltip } from './tooltip.js';

// Space around the picture for letters of 12 pixels.
const [LEAST_LEFT, RIGHT, SPACE_ABOVE, SPACE_BELOW] = [46, 8, 12, 26];
// More bars than hours of a day scroll where a finger, which needs so many pixels, could not tap them.
const [MOST_BARS, FINGER] = [25, 24];
const byFinger = matchMedia('(pointer: coarse)');

export class Chart {
  #svg = s('svg', { role: 'img', tabindex: 0 });
  #frame = h('div', this.#svg);
  #axis = s('g.axis');
  #tooltip;
  #legend = h('p.legend');
  #caption = h('p.hint');
  #marks = h('p.hint.marks', { hidden: true });
  #details = h('details', h('summary', t('as_table')), this.#caption, h('div.scroll'));
  #title = h('h2');
  #take = h('p.take');
  /** @type {Spec | null} */
  #spec = null;
  #width = 0;
  #from = 0;
  #name;

  /** @param {string} name */
  constructor(name) {
    this.#name = name;
    const plot = h('div.plot', this.#frame);
    this.#tooltip = new Tooltip(this.#svg, plot);
    plot.append(this.#tooltip.element);
    const caption = h('figcaption', this.#title, this.#legend);
    this.element = h(`figure.chart.card@chart-${name}`, caption, plot, this.#marks, this.#details, this.#take);
    on(this.#details, 'toggle', () => this.#fillTable());
    on(this.#frame, 'scroll', () => this.#follow());
    /** @type {(kind: string) => HTMLButtonElement} */
    const take = (kind) => button(`${kind}-${name}`, kind.toUpperCase(), () => this.#save(kind));
    this.#take.append(t('take'), ...['csv', 'png', 'svg'].map(take));
    new ResizeObserver(() => {
      if (this.#spec && this.#frame.clientWidth !== this.#width) this.#draw();
    }).observe(plot);
  }

  // `items` is what pointer and table show, in order of time, and `heads` their titles. Negative values of bars hang below
  // zero, guesses are hatched.
  /** @param {Spec} spec */
  show(spec) {
    this.#spec = spec;
    write(this.#title, spec.title);
    this.#legend.replaceChildren(...spec.keys.map(({ name, text }) => h(`span.key.${name}`, h('bdi', text))));
    set(this.#svg, { 'aria-label': `${spec.label} ${t('keys_hint')}` });
    for (const button of this.#take.children) {
      set(button, { 'aria-label': t('take_label', { name: spec.title, kind: button.textContent }) });
    }
    say(this.#marks, spec.marks);
    this.#draw();
    this.#fillTable();
  }

  // Saves all series, or the picture.
  /** @param {string} kind */
  async #save(kind) {
    if (!this.#spec) return;
    const { title, from } = this.#spec;
    const { year, month, day } = parts(from);
    const name = [title, year, ...[month, day].map((part) => String(part).padStart(2, '0'))].join('-');
    if (kind === 'csv') return (await import('./take.js')).saveChart(name, this.#spec);
    const { savePicture } = await import('./picture.js');
    set(this.#axis, { transform: null });
    savePicture(kind, name, this.#svg, title, [...this.#legend.children]);
    this.#follow();
  }

  #draw() {
    if (!this.#spec) return;
    const { from, to, ticks, axisText, least, free, keys, courses = [], bars = [] } = this.#spec;
    const room = this.#frame.clientWidth;
    this.#width = room;
    this.#tooltip.hide();
    if (!room) return;
    const scrolls = bars.length > MOST_BARS && byFinger.matches;
    const width = scrolls ? Math.max(room, LEAST_LEFT + RIGHT + FINGER * bars.length) : room;
    set(this.#frame, { class: width > room ? 'scroll' : null });
    // Letters grow with those of the page, and their space with them.
    const grown = Math.max(1, parseFloat(getComputedStyle(this.#title).fontSize) / 15.2);
    const [top, bottom] = [SPACE_ABOVE * grown, SPACE_BELOW * grown];
    const height = Math.round(Math.max(200, Math.min(340, room * 0.45)) * Math.min(grown, 1.5));
    set(this.#svg, { viewBox: `0 0 ${width} ${height}`, width, height });
    const values = [
      ...courses.flatMap(({ mean, min = [], max = [] }) => [mean, min, max].flat()),
      ...bars.flatMap(({ columns, before }) => [...columns.flatMap(stack).map(({ to }) => to), ...before]),
    ];
    const axis = scale(extent(values, least, free), height / (56 * grown));
    /** @type {(value: number) => number} */
    const y = (value) => top + ((axis.high - value) / (axis.high - axis.low)) * (height - top - bottom);
    const texts = axis.marks.map((mark) => s('text', { y: y(mark) + 4 * grown, 'text-anchor': 'end' }, axisText(mark)));
    this.#svg.replaceChildren(...texts);
    const left = Math.max(LEAST_LEFT, 10 + Math.max(...texts.map((text) => text.getComputedTextLength())));
    /** @type {(at: number) => number} */
    const x = (at) => left + ((at - from) / (to - from)) * (width - left - RIGHT);
    /** @type {SVGElement[]} */
    const nodes = axis.marks.map((mark) => {
      const kind = Math.abs(mark) < 1e-9 ? 'zero' : 'grid';
      return s(`line.${kind}`, { x1: left, x2: width - RIGHT, y1: y(mark), y2: y(mark) });
    });
    const wide = 12 + 8 * grown * Math.max(...ticks.map(({ text }) => text.length));
    const fitting = Math.max(1, Math.floor((width - left - RIGHT) / wide));
    const every = [1, 2, 3, 4, 6, 7, 12, 24].find((n) => Math.ceil(ticks.length / n) <= fitting) ?? ticks.length;
    ticks.forEach(({ at, text }, i) => {
      if (i % every === 0 && x(at) <= width - RIGHT + 1) {
        const last = x(at) + 4.2 * grown * text.length > width;
        nodes.push(s('text', { x: last ? width : x(at), y: height - 6 * grown, 'text-anchor': last ? 'end' : 'middle' }, text));
      }
    });
    const frame = { x, y, width, height, id: this.#name };
    if (bars.length) nodes.push(hatches(this.#name, keys.map(({ name }) => name)));
    nodes.push(...bars.flatMap((bar) => barNodes(bar, frame, bars.length)));
    for (const course of courses) nodes.push(...curveNodes(course, frame));
    this.#tooltip.take(this.#spec, x, width, top, height - bottom);
    // The axis stays where it is while the bars scroll below it.
    const ground = width > room ? [s('rect', { x: -left, width: 2 * left - 4, height })] : [];
    this.#axis.replaceChildren(...ground, ...texts.map((text) => set(text, { x: left - 8 })));
    this.#svg.replaceChildren(...nodes, this.#tooltip.cursor, this.#axis);
    // What is newest is seen first.
    const last = this.#spec.items.at(-1)?.at ?? to;
    if (this.#from !== from) this.#frame.scrollLeft = x(last) + FINGER - room;
    this.#from = from;
    this.#follow();
  }

  #follow() {
    const { scrollLeft } = this.#frame;
    this.#tooltip.hide();
    set(this.#axis, { transform: scrollLeft ? `translate(${scrollLeft} 0)` : null });
  }

  // Only once somebody looks: a year of quarters is many rows.
  #fillTable() {
    if (!this.#spec) return;
    const { heads, items, label, unit } = this.#spec;
    // Shown rounded, and copied with all digits.
    /** @type {(text: string, value: unknown) => Child} */
    const cellOf = (text, value) => (typeof value === 'number' ? h('span', { 'data-exact': full(value, unit) }, text) : text);
    const rows = (this.#details.open ? items : []).map(({ title, cells, values }) => [title, ...cells.map((cell, i) => cellOf(cell, values?.[i]))]);
    write(this.#caption, label);
    this.#details.lastElementChild?.replaceChildren(table([t('time'), ...heads], rows, label));
  }
}
