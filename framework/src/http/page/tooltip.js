// Values of a chart below the pointer, and by the arrow keys.

import { h, on, s, set, show } from './dom.js';

export class Tooltip {
  element = h('div.tooltip', { role: 'status', hidden: true });
  cursor = s('line.cursor', { visibility: 'hidden' });
  #svg;
  #items = [];
  #heads = [];
  #keys = [];
  #x = () => 0;
  #width = 0;
  #chosen = -1;

  // `plot` holds the picture and the values.
  constructor(svg, plot) {
    this.#svg = svg;
    for (const kind of ['pointermove', 'pointerdown']) on(svg, kind, (event) => this.#point(event));
    for (const kind of ['pointercancel', 'blur']) on(svg, kind, () => this.hide());
    // A finger leaves when it is lifted; its value stays until another place is tapped.
    on(svg, 'pointerleave', ({ pointerType }) => pointerType !== 'touch' && this.hide());
    on(document, 'pointerdown', ({ target }) => plot.contains(target) || this.hide());
    on(svg, 'keydown', (event) => this.#key(event));
  }

  // Takes what is shown: `{items, heads, keys}` of the chart, and where an item's time stands in a picture this wide.
  take({ items, heads, keys }, x, width, top, bottom) {
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

  #point(event) {
    const index = this.at(event.clientX);
    if (index >= 0) this.#choose(index);
  }

  #key(event) {
    const last = this.#items.length - 1;
    const to = {
      ArrowLeft: Math.max(0, (this.#chosen < 0 ? last + 1 : this.#chosen) - 1),
      ArrowRight: Math.min(last, this.#chosen + 1),
      Home: 0,
      End: last,
      Escape: -1,
    }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#choose(to);
  }

  #choose(index) {
    const item = this.#items[index];
    if (this.#chosen === index && item) return;
    this.#chosen = item ? index : -1;
    show(this.element, Boolean(item));
    set(this.cursor, { visibility: item ? 'visible' : 'hidden' });
    if (!item) return;
    const lines = item.cells.flatMap((cell, i) => {
      const key = this.#keys.find(({ text }) => text === this.#heads[i]);
      return cell === '' ? [] : [h(key ? `span.key.${key.name}` : 'span', this.#heads[i]), h('b', cell)];
    });
    this.element.replaceChildren(h('strong', item.title), ...lines);
    const at = this.#x(item.at);
    set(this.cursor, { x1: at, x2: at });
    const wide = this.element.offsetWidth;
    const left = at + wide + 14 > this.#width ? Math.max(0, at - wide - 10) : at + 10;
    this.element.style.setProperty('transform', `translate(${Math.round(left)}px, 4px)`);
  }
}
