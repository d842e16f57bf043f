// Curves: lines with a band, and areas above and below zero.

import { s } from './dom.js';

// Cuts a course into runs of indices, at times without readings.
/** @type {(times: readonly number[], values: readonly (Value | undefined)[]) => number[][]} */
export function runs(times, values) {
  const there = [...values.keys()].filter((i) => typeof values[i] === 'number');
  const steps = there.slice(1).map((index, i) => times[index] - times[there[i]]);
  steps.sort((a, b) => a - b);
  const usual = (steps[steps.length >> 1] ?? 0) * 2.5;
  /** @type {number[][]} */
  const found = [];
  there.forEach((index, i) => {
    if (i && times[index] - times[there[i - 1]] <= usual) found.at(-1)?.push(index);
    else found.push([index]);
  });
  return found;
}

/** @typedef {[number, number][]} Points */

// A lone point is four pixels wide.
/** @type {(points: Points) => Points} */
const wide = (points) => (points.length === 1 ? points.flatMap(([x, y]) => [[x - 2, y], [x + 2, y]]) : points);
/** @type {(points: Points) => string} */
const line = (points) => `M${wide(points).map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join('L')}`;
/** @type {(upper: Points, lower: Points) => string} */
const between = (upper, lower) => `${line(upper)}L${line(wide(lower).toReversed()).slice(1)}Z`;

// Filled course: above the line at `zero` power is drawn from the grid, below it is fed in.
/** @type {(runsOfPoints: Points[], zero: number, width: number, height: number, id: string) => SVGElement[]} */
export function areas(runsOfPoints, zero, width, height, id) {
  /** @type {(name: string, y: number, tall: number) => SVGElement} */
  const clip = (name, y, tall) =>
    s('clipPath', { id: `${id}-${name}` }, s('rect', { x: 0, y, width, height: Math.max(0, tall) }));
  /** @type {(d: string, kind: string, name: string) => SVGElement} */
  const path = (d, kind, name) => s(`path.${kind}.${name}`, { d, 'clip-path': `url(#${id}-${name})` });
  /** @type {(run: Points) => Points} */
  const floor = (run) => run.map(([x]) => [x, zero]);
  const filled = runsOfPoints.map((run) => between(run, floor(run))).join('');
  const drawn = runsOfPoints.map(line).join('');
  return [
    s('defs', clip('import', -4, zero + 4), clip('export', zero, height - zero + 4)),
    ...['import', 'export'].flatMap((name) => [path(filled, 'area', name), path(drawn, 'line', name)]),
  ];
}

// Nodes of a course.
/** @type {(curve: Curve, frame: Frame) => SVGElement[]} */
export function curveNodes({ name, times, mean, min, max, filled }, { x, y, width, height, id }) {
  const found = runs(times, mean);
  /** @type {(values: readonly (Value | undefined)[]) => Points[]} */
  const points = (values) => found.map((run) => run.map((i) => [x(times[i]), y(values[i] ?? 0)]));
  const [middle, low, high] = [mean, min ?? [], max ?? []].map(points);
  const band = s(`path.band.${name}`, { d: min && high.map((upper, i) => between(upper, low[i])).join('') });
  if (filled) return [band, ...areas(middle, y(0), width, height, id)];
  return [band, s(`path.line.${name}`, { d: middle.map(line).join('') })];
}
