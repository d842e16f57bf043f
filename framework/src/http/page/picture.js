// Takes a chart away as a picture; loaded when it is used.

import { save } from './take.js';

const SVG = 'http://www.w3.org/2000/svg';
// A style sheet does not come along: what it says becomes attributes.
const STYLES = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linejoin', 'stroke-linecap', 'opacity'];
const LETTERS = ['font-size', 'font-weight'];
const FAMILY = 'system-ui, sans-serif';
const [MARGIN, HEAD] = [16, 56];

/** @type {(name: string, attributes: Record<string, string | number>, text?: string) => SVGElement} */
function made(name, attributes, text = '') {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text) element.textContent = text;
  return element;
}

/** @type {(from: Element, to: Element) => void} */
function adopt(from, to) {
  const style = getComputedStyle(from);
  for (const name of from instanceof SVGTextElement ? [...STYLES, ...LETTERS] : STYLES) {
    const value = style.getPropertyValue(name);
    if (value) to.setAttribute(name, value.replaceAll('"', "'"));
  }
  to.removeAttribute('class');
  [...from.children].forEach((child, i) => adopt(child, to.children[i]));
}

/**
 * Returns a picture of a chart that needs no style sheet: its title and its legend above it.
 * @param {SVGSVGElement} chart
 * @param {string} title
 * @param {Element[]} keys
 */
function svgOf(chart, title, keys) {
  const { width, height } = chart.viewBox.baseVal;
  const card = getComputedStyle(chart.closest('.card') ?? document.body);
  const copy = /** @type {SVGSVGElement} */ (chart.cloneNode(true));
  adopt(chart, copy);
  for (const cursor of [...copy.querySelectorAll('[visibility="hidden"]')]) cursor.remove();
  const group = made('g', { transform: `translate(${MARGIN} ${HEAD})` });
  group.append(...copy.childNodes);
  const [wide, high] = [width + 2 * MARGIN, height + HEAD + MARGIN];
  const svg = made('svg', { viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, 'font-family': FAMILY });
  const text = { fill: card.color, y: 24, x: MARGIN, 'font-size': 15, 'font-weight': 600 };
  svg.append(made('rect', { width: wide, height: high, fill: card.backgroundColor }), made('text', text, title), group);
  let x = MARGIN;
  for (const key of keys) {
    const colour = getComputedStyle(key, '::before').backgroundColor;
    svg.append(made('rect', { x, y: 36, width: 10, height: 10, rx: 2, fill: colour }));
    const name = key.textContent ?? '';
    svg.append(made('text', { x: x + 15, y: 45, 'font-size': 12, fill: card.color }, name));
    x += 15 + Math.ceil(/** @type {HTMLElement} */ (key).offsetWidth);
  }
  return new XMLSerializer().serializeToString(svg);
}

/**
 * Saves a chart as a picture of a kind, `svg` or `png`.
 * @param {string} kind
 * @param {string} name
 * @param {Parameters<typeof svgOf>} chart
 */
export const savePicture = (kind, name, ...chart) => (kind === 'svg' ? saveSvg : savePng)(name, svgOf(...chart));

/** @type {(name: string, svg: string) => void} */
const saveSvg = (name, svg) => save(`${name}.svg`, new Blob([svg], { type: 'image/svg+xml' }));

/**
 * Saves a picture in pixels, two for each of the screen: it is also for paper.
 * @param {string} name
 * @param {string} svg
 */
async function savePng(name, svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const content = await new Promise((/** @type {BlobCallback} */ done) => canvas.toBlob(done, 'image/png'));
  if (content) save(`${name}.png`, content);
}
