// Values of a chart below the pointer, and by the arrow keys.

import { h, on, s, set, show } from './dom.js';

export class Tooltip {
  element = h('div.tooltip', { role: 'status', hidden: true });
  cursor = s('line.cursor', { visibility: 'hidden' });
  #svg;
  /** @type {Item[]} */
  #items = [];
  /** @type {string[]} */
  #heads = [];
  /** @type {Key[]} */
  #keys = [];
  /** @type {(at: number) => number} */
  #x = () => 0;
  #width = 0;
  #chosen = -1;

  /** @type {Set<string>} */
  #quiet = new Set();
  /** @type {((item: Item) => void) | null} */
  #open = null;

  /**
   * @param {SVGSVGElement} svg
   * @param {HTMLElement} plot holds the picture and the values
   */
  constructor(svg, plot) {
    this.#svg = svg;
    for (const kind of /** @type {const} */ (['pointermove', 'pointerdown'])) on(svg, kind, (event) => this.#point(event));
    for (const kind of /** @type {const} */ (['pointercancel', 'blur'])) on(svg, kind, () => this.hide());
    // A finger leaves when it is lifted; its value stays until another place is tapped.
    on(svg, 'pointerleave', ({ pointerType }) => pointerType !== 'touch' && this.hide());
    on(document, 'pointerdown', ({ target }) => plot.contains(/** @type {Node | null} */ (target)) || this.hide());
    on(svg, 'keydown', (event) => this.#key(event));
    // A finger's first tap shows the values, and the next one opens them.
    let before = -1;
    on(svg, 'pointerdown', () => (before = this.#chosen), { capture: true });
    on(svg, 'click', (event) => {
      const index = this.at(event.clientX);
      if (event.pointerType !== 'touch' || index === before) this.#openItem(index);
    });
  }

  // Takes what is shown, and where an item's time stands in a picture this wide.
  /** @type {(spec: Spec, x: (at: number) => number, width: number, top: number, bottom: number) => void} */
  take({ items, heads, keys, quiet, open }, x, width, top, bottom) {
    this.#quiet = new Set(quiet);
    this.#open = open ?? null;
    set(this.#svg, { class: open ? 'opens' : null });
    this.#items = items;
    this.#heads = heads;
    this.#keys = keys;
    this.#x = x;
    this.#width = width;
    set(this.cursor, { y1: top, y2: bottom });
  }

  hide() {
    this.#choose(-1);
  }

  // Returns the index of the item that is nearest to a place on the screen; -1 if there is none.
  /** @param {number} clientX */
  at(clientX) {
    if (!this.#items.length || !this.#width) return -1;
    const at = clientX - this.#svg.getBoundingClientRect().left;
    let [low, high] = [0, this.#items.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#x(this.#items[middle].at) < at) low = middle;
      else high = middle;
    }
    return at - this.#x(this.#items[low].at) < this.#x(this.#items[high].at) - at ? low : high;
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const index = this.at(event.clientX);
    if (index >= 0) this.#choose(index);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const last = this.#items.length - 1;
    /** @type {Record<string, number>} */
    const places = {
      ArrowLeft: Math.max(0, (this.#chosen < 0 ? last + 1 : this.#chosen) - 1),
      ArrowRight: Math.min(last, this.#chosen + 1),
      Home: 0,
      End: last,
      Escape: -1,
    };
    const to = places[event.key];
    if (event.key === 'Enter') this.#openItem(this.#chosen);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#choose(to);
  }

  /** @param {number} index */
  #openItem(index) {
    if (this.#items[index]) this.#open?.(this.#items[index]);
  }

  /** @param {number} index */
  #choose(index) {
    const item = this.#items[index];
    if (this.#chosen === index && item) return;
    this.#chosen = item ? index : -1;
    show(this.element, Boolean(item));
    set(this.cursor, { visibility: item ? 'visible' : 'hidden' });
    if (!item) return;
    const lines = item.cells.flatMap((cell, i) => {
      const key = this.#keys.find(({ text }) => text === this.#heads[i]);
      return cell === '' || this.#quiet.has(this.#heads[i]) ? [] : [h(key ? `span.key.${key.name}` : 'span', h('bdi', this.#heads[i])), h('b', cell)];
    });
    this.element.replaceChildren(h('strong', item.title), ...lines);
    const at = this.#x(item.at);
    set(this.cursor, { x1: at, x2: at });
    const wide = this.element.offsetWidth;
    // A picture that is wider than its place scrolls below.
    const { scrollLeft = 0, clientWidth = 0 } = this.#svg.parentElement ?? {};
    const seen = at - scrollLeft;
    const left = seen + wide + 14 > clientWidth ? Math.max(0, seen - wide - 10) : seen + 10;
    this.element.style.setProperty('transform', `translate(${Math.round(left)}px, 4px)`);
  }
}
