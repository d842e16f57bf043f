// Elements without markup: texts of meters and configurations only ever become text nodes.

const SVG = 'http://www.w3.org/2000/svg';

// Sets attributes; `null` and `false` take one away, `true` sets an empty one.
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? '' : value);
  }
  return element;
}

// Makes elements of `('p.hint', {attributes}, ...children)`. Attributes may be left out, a child may be a list of
// children, and `null` is no child.
const maker =
  (create) =>
  (tag, ...rest) => {
    const [name, ...classes] = tag.split('.');
    const element = create(name);
    if (classes.length) set(element, { class: classes.join(' ') });
    if (rest[0]?.constructor === Object) set(element, rest.shift());
    element.append(...rest.flat().filter((child) => child != null));
    return element;
  };

export const h = maker((name) => document.createElement(name));
export const s = maker((name) => document.createElementNS(SVG, name));

export const icon = (name) => s('svg.icon', { 'aria-hidden': 'true' }, s('use', { href: `#i-${name}` }));

export const on = (element, event, handler) => (element.addEventListener(event, handler), element);

// The elements of a list of parts of the page.
export const elements = (parts) => parts.map(({ element }) => element);

export const button = (attributes, content, handler) =>
  on(h('button', { type: 'button', ...attributes }, content), 'click', handler);

// Writes only what changed, so that a live page costs next to nothing.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
  return element;
}

// Writes a text, and hides the element where there is none.
export const say = (element, text) => show(write(element, text ?? ''), Boolean(text));

// Table of texts; the first cell heads its row.
export function table(heads, rows, label) {
  const head = heads.map((text) => h('th', { scope: 'col' }, text));
  const row = ([first, ...more]) => h('tr', h('th', { scope: 'row' }, first), ...more.map((text) => h('td', text)));
  return h('table', { 'aria-label': label }, h('thead', h('tr', head)), h('tbody', rows.map(row)));
}
