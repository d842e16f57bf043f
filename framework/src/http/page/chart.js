// Charts in SVG: lines with a band, and bars; values under the pointer, by keyboard, and as a table.

import { h, on, s, say, set, show, table, write } from './dom.js';
import { t } from './text.js';

const [LEAST_LEFT, RIGHT, TOP, BOTTOM] = [46, 8, 12, 26];

// Returns the range of an axis: at least `least` wide, and with zero in it unless it is `free`. (No spread of
// arguments, because there may be too many.)
export function extent(values, least, free = false) {
  let [low, high] = free ? [Infinity, -Infinity] : [0, 0];
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(low <= high)) [low, high] = [0, 0];
  if (high - low < least) high = low + least;
  return [low, high];
}

// Round steps: 1, 2 or 5 times a power of ten.
function scale([low, high], count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const [from, to] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return {
    low: from * step,
    high: to * step,
    marks: Array.from({ length: to - from + 1 }, (_, i) => (from + i) * step),
  };
}

// Cuts a course into runs of indices, at times without readings.
export function runs(times, values) {
  const there = [...values.keys()].filter((i) => typeof values[i] === 'number');
  const steps = there.slice(1).map((index, i) => times[index] - times[there[i]]);
  steps.sort((a, b) => a - b);
  const usual = (steps[steps.length >> 1] ?? 0) * 2.5;
  const found = [];
  there.forEach((index, i) => {
    if (i && times[index] - times[there[i - 1]] <= usual) found.at(-1).push(index);
    else found.push([index]);
  });
  return found;
}

const line = (points) =>
  `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join('L')}${points.length === 1 ? 'm-2,0h4' : ''}`;
const between = (upper, lower) => `${line(upper)}L${line([...lower].reverse()).slice(1)}Z`;

// Filled course: above the line at `zero` power is drawn from the grid, below it is fed in.
export function areas(runsOfPoints, zero, width, height, id) {
  const clip = (name, y, tall) =>
    s('clipPath', { id: `${id}-${name}` }, s('rect', { x: 0, y, width, height: Math.max(0, tall) }));
  const path = (d, kind, name) => s(`path.${kind}.${name}`, { d, 'clip-path': `url(#${id}-${name})` });
  const floor = (run) => run.map(([x]) => [x, zero]);
  const filled = runsOfPoints.map((run) => between(run, floor(run))).join('');
  const drawn = runsOfPoints.map(line).join('');
  return [
    s('defs', clip('import', -4, zero + 4), clip('export', zero, height - zero + 4)),
    ...['import', 'export'].flatMap((name) => [path(filled, 'area', name), path(drawn, 'line', name)]),
  ];
}

export class Chart {
  #svg = s('svg', { role: 'img', tabindex: 0 });
  #tooltip = h('div.tooltip', { role: 'status', hidden: true });
  #legend = h('p.legend');
  #caption = h('p.hint');
  #marks = h('p.hint.marks', { hidden: true });
  #details = h('details', h('summary', t('as_table')), this.#caption, h('div.scroll'));
  #title = h('h2');
  #cursor = s('line.cursor', { visibility: 'hidden' });
  #spec = null;
  #chosen = -1;
  #width = 0;
  #name;

  constructor(name) {
    this.#name = name;
    const plot = h('div.plot', this.#svg, this.#tooltip);
    const caption = h('figcaption', this.#title, this.#legend);
    this.element = h('figure.chart.card', { 'data-test': `chart-${name}` }, caption, plot, this.#marks, this.#details);
    for (const kind of ['pointermove', 'pointerdown']) on(this.#svg, kind, (event) => this.#point(event));
    for (const kind of ['pointercancel', 'blur']) on(this.#svg, kind, () => this.#choose(-1));
    // A finger leaves when it is lifted; its value stays until another place is tapped.
    on(this.#svg, 'pointerleave', ({ pointerType }) => pointerType !== 'touch' && this.#choose(-1));
    on(document, 'pointerdown', ({ target }) => plot.contains(target) || this.#choose(-1));
    on(this.#svg, 'keydown', (event) => this.#key(event));
    on(this.#details, 'toggle', () => this.#fillTable());
    new ResizeObserver(() => {
      if (this.#spec && plot.clientWidth !== this.#width) this.#draw();
    }).observe(plot);
  }

  // Shows `spec`: {title, from, to, ticks, axisText, label, marks, least, free, keys, courses, bars, items}.
  //   keys:    [{name, text}] what the colours mean; `name` is a class
  //   courses: [{name, times, mean, min, max, filled}]
  //   bars:    [{start, end, columns: [[{name, value, guess}]], before: [value], uncertain}]; negative values hang below
  //            zero, guesses are hatched
  //   items:   [{at, title, cells}] what pointer and table show, in order of time; heads: their titles
  show(spec) {
    this.#spec = spec;
    write(this.#title, spec.title);
    this.#legend.replaceChildren(...spec.keys.map(({ name, text }) => h(`span.key.${name}`, text)));
    set(this.#svg, { 'aria-label': `${spec.label} ${t('keys_hint')}` });
    say(this.#marks, spec.marks);
    this.#draw();
    this.#fillTable();
  }

  #draw() {
    const { from, to, ticks, axisText, least, free, keys, courses = [], bars = [] } = this.#spec;
    const width = this.#svg.parentElement.clientWidth;
    this.#width = width;
    this.#choose(-1);
    if (!width) return;
    const height = Math.round(Math.max(200, Math.min(340, width * 0.45)));
    set(this.#svg, { viewBox: `0 0 ${width} ${height}`, width, height });
    const values = [
      ...courses.flatMap(({ mean, min = [], max = [] }) => [mean, min, max].flat()),
      ...bars.flatMap(({ columns, before }) => [...columns.flatMap(stack).map(({ to }) => to), ...before]),
    ];
    const axis = scale(extent(values, least, free), height / 56);
    const y = (value) => TOP + ((axis.high - value) / (axis.high - axis.low)) * (height - TOP - BOTTOM);
    const texts = axis.marks.map((mark) => s('text', { y: y(mark) + 4, 'text-anchor': 'end' }, axisText(mark)));
    this.#svg.replaceChildren(...texts);
    const left = Math.max(LEAST_LEFT, 10 + Math.max(...texts.map((text) => text.getComputedTextLength())));
    const x = (at) => left + ((at - from) / (to - from)) * (width - left - RIGHT);
    this.#x = x;
    const nodes = axis.marks.map((mark) => {
      const kind = Math.abs(mark) < 1e-9 ? 'zero' : 'grid';
      return s(`line.${kind}`, { x1: left, x2: width - RIGHT, y1: y(mark), y2: y(mark) });
    });
    nodes.push(...texts.map((text) => set(text, { x: left - 8 })));
    const wide = 12 + 8 * Math.max(...ticks.map(({ text }) => text.length));
    const room = Math.max(1, Math.floor((width - left - RIGHT) / wide));
    const every = [1, 2, 3, 4, 6, 7, 12, 24].find((n) => Math.floor(ticks.length / n) <= room) ?? ticks.length;
    ticks.forEach(({ at, text }, i) => {
      if (i % every === 0 && x(at) <= width - RIGHT + 1) {
        const last = x(at) > width - 20;
        nodes.push(s('text', { x: last ? width : x(at), y: height - 6, 'text-anchor': last ? 'end' : 'middle' }, text));
      }
    });
    if (bars.length)
      nodes.push(
        s(
          'defs',
          keys.map(({ name }) => hatch(this.#name, name)),
        ),
      );
    nodes.push(...bars.flatMap((bar) => barNodes(bar, x, y, bars.length, this.#name)));
    for (const course of courses) nodes.push(...this.#courseNodes(course, x, y, width, height));
    set(this.#cursor, { y1: TOP, y2: height - BOTTOM });
    this.#svg.replaceChildren(...nodes, this.#cursor);
  }

  #x;

  #courseNodes({ name, times, mean, min, max, filled }, x, y, width, height) {
    const found = runs(times, mean);
    const points = (values) => found.map((run) => run.map((i) => [x(times[i]), y(values[i])]));
    const [middle, low, high] = [mean, min ?? [], max ?? []].map(points);
    const band = s(`path.band.${name}`, { d: min && high.map((upper, i) => between(upper, low[i])).join('') });
    if (filled) return [band, ...areas(middle, y(0), width, height, this.#name)];
    return [band, s(`path.line.${name}`, { d: middle.map(line).join('') })];
  }

  #point(event) {
    const { items } = this.#spec ?? {};
    if (!items?.length || !this.#width) return;
    const box = this.#svg.getBoundingClientRect();
    const at = event.clientX - box.left;
    let [low, high] = [0, items.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#x(items[middle].at) < at) low = middle;
      else high = middle;
    }
    this.#choose(at - this.#x(items[low].at) < this.#x(items[high].at) - at ? low : high);
  }

  #key(event) {
    const last = (this.#spec?.items.length ?? 0) - 1;
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
    const item = this.#spec?.items[index];
    if (this.#chosen === index && item) return;
    this.#chosen = item ? index : -1;
    show(this.#tooltip, Boolean(item));
    set(this.#cursor, { visibility: item ? 'visible' : 'hidden' });
    if (!item) return;
    const { heads, keys } = this.#spec;
    const lines = item.cells.flatMap((cell, i) => {
      const key = keys.find(({ text }) => text === heads[i]);
      return cell === '' ? [] : [h(key ? `span.key.${key.name}` : 'span', heads[i]), h('b', cell)];
    });
    this.#tooltip.replaceChildren(h('strong', item.title), ...lines);
    const at = this.#x(item.at);
    set(this.#cursor, { x1: at, x2: at });
    const wide = this.#tooltip.offsetWidth;
    const left = at + wide + 14 > this.#width ? Math.max(0, at - wide - 10) : at + 10;
    this.#tooltip.style.setProperty('transform', `translate(${Math.round(left)}px, 4px)`);
  }

  // Only once somebody looks: a year of quarters is many rows.
  #fillTable() {
    if (!this.#spec) return;
    const { heads, items, label } = this.#spec;
    const rows = (this.#details.open ? items : []).map(({ title, cells }) => [title, ...cells]);
    write(this.#caption, label);
    this.#details.lastChild.replaceChildren(table([t('time'), ...heads], rows, label));
  }
}

// Returns beginning and end of values that are stacked.
function stack(column) {
  const ends = { true: 0, false: 0 };
  return column.flatMap(({ value, ...bar }) => {
    const from = ends[value < 0];
    return value ? { ...bar, from, to: (ends[value < 0] += value) } : [];
  });
}

// Pattern of bars that are guesses.
function hatch(chart, name) {
  const attributes = { id: `${chart}-hatch-${name}`, patternUnits: 'userSpaceOnUse', width: 5, height: 5 };
  const line = s(`rect.column.${name}`, { width: 2, height: 5 });
  return s('pattern', { ...attributes, patternTransform: 'rotate(45)' }, line);
}

function barNodes({ start, end, columns, before, uncertain }, x, y, count, chart) {
  const whole = x(end) - x(start);
  const room = Math.min(64, whole * (count > 20 ? 0.78 : 0.7));
  const left = (x(start) + x(end) - room) / 2;
  const rect = (name, from, to, at, wide) => {
    const [top, height] = [Math.min(y(from), y(to)), Math.max(0.5, Math.abs(y(to) - y(from)))];
    const box = { x: at, y: top, width: Math.max(1, wide), height, rx: Math.min(2, wide / 4) };
    for (const key of Object.keys(box)) box[key] = box[key].toFixed(1);
    return s(`rect.${name}`, box);
  };
  const pale = before.filter(Boolean).map((value) => rect('before', 0, value, left - room * 0.12, room * 1.24));
  const wide = room / columns.length;
  const bars = columns.flatMap((column, i) =>
    stack(column).map(({ name, from, to, guess }) => {
      const bar = rect(`column.${name}`, from, to, left + i * wide, wide - (columns.length > 1 ? 1 : 0));
      if (guess) set(bar, { class: `guess ${name}`, fill: `url(#${chart}-hatch-${name})` });
      return bar;
    }),
  );
  const mark = uncertain ? [s('circle.mark', { cx: left + room / 2, cy: y(0) - 6, r: 3 })] : [];
  return [...pale, ...bars, ...mark];
}
