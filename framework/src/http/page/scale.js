// Scale of a chart's axis: its range and its round marks.

// Returns the range of an axis: at least `least` wide, and with zero in it unless it is `free`. (No spread of
// arguments, because there may be too many.)
/** @type {(values: readonly (Value | undefined)[], least: number, free?: boolean) => [number, number]} */
export function extent(values, least, free = false) {
  let [low, high] = free ? [Infinity, -Infinity] : [0, 0];
  for (const value of values) {
    if (value == null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(low <= high)) [low, high] = [0, 0];
  if (high - low < least) high = low + least;
  return [low, high];
}

// Round steps: 1, 2 or 5 times a power of ten.
/** @type {(range: [number, number], count: number) => {low: number, high: number, marks: number[]}} */
export function scale([low, high], count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  const [from, to] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return {
    low: from * step,
    high: to * step,
    marks: Array.from({ length: to - from + 1 }, (_, i) => (from + i) * step),
  };
}
