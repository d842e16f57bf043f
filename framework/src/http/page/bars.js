// Bars: values that are stacked above and below zero, side by side, over the pale ones of the period before.

import { s, set } from './dom.js';

// Returns beginning and end of values that are stacked.
/** @type {(column: Part[]) => {name: string, guess?: boolean, from: number, to: number}[]} */
export function stack(column) {
  let [above, below] = [0, 0];
  return column.flatMap(({ value, ...bar }) => {
    if (!value) return [];
    const from = value < 0 ? below : above;
    if (value < 0) below += value;
    else above += value;
    return { ...bar, from, to: from + value };
  });
}

// Patterns of bars that are guesses, for all colours.
/** @type {(chart: string, names: string[]) => SVGElement} */
export function hatches(chart, names) {
  /** @type {(name: string) => SVGElement} */
  const hatch = (name) => {
    const attributes = { id: `${chart}-hatch-${name}`, patternUnits: 'userSpaceOnUse', width: 5, height: 5 };
    const line = s(`rect.column.${name}`, { width: 2, height: 5 });
    return s('pattern', { ...attributes, patternTransform: 'rotate(45)' }, line);
  };
  return s('defs', names.map(hatch));
}

// Nodes of one of `count` bars.
/** @type {(bar: Bar, frame: Frame, count: number) => SVGElement[]} */
export function barNodes({ start, end, columns, before, uncertain }, { x, y, id }, count) {
  const whole = x(end) - x(start);
  const room = Math.min(64, whole * (count > 20 ? 0.78 : 0.7));
  const left = (x(start) + x(end) - room) / 2;
  /** @type {(name: string, from: number, to: number, at: number, wide: number) => SVGElement} */
  const rect = (name, from, to, at, wide) => {
    const [top, height] = [Math.min(y(from), y(to)), Math.max(0.5, Math.abs(y(to) - y(from)))];
    const box = { x: at, y: top, width: Math.max(1, wide), height, rx: Math.min(2, wide / 4) };
    const rounded = Object.entries(box).map(([key, value]) => [key, value.toFixed(1)]);
    return s(`rect.${name}`, Object.fromEntries(rounded));
  };
  const pale = before.filter(Boolean).map((value) => rect('before', 0, value, left - room * 0.12, room * 1.24));
  const wide = room / columns.length;
  const bars = columns.flatMap((column, i) =>
    stack(column).map(({ name, from, to, guess }) => {
      const bar = rect(`column.${name}`, from, to, left + i * wide, wide - (columns.length > 1 ? 1 : 0));
      if (guess) set(bar, { class: `guess ${name}`, fill: `url(#${id}-hatch-${name})` });
      return bar;
    }),
  );
  const mark = uncertain ? [s('circle.mark', { cx: left + room / 2, cy: y(0) - 6, r: 3 })] : [];
  return [...pale, ...bars, ...mark];
}
