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

function fill(element, attributes, children) {
  set(element, attributes);
  element.append(...children.filter((child) => child != null));
  return element;
}

export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const icon = (name) => s('svg', { class: 'icon', 'aria-hidden': 'true' }, s('use', { href: `#i-${name}` }));

// Writes only what changed, so that a live page costs next to nothing.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
  return element;
}

export const on = (element, event, handler) => (element.addEventListener(event, handler), element);

// A row of a table: cells are texts; the first one heads the row.
export const row = (cells) =>
  h('tr', {}, ...cells.map((cell, i) => h(i ? 'td' : 'th', i ? {} : { scope: 'row' }, cell)));

export function table(heads, rows, attributes = {}) {
  const head = h('tr', {}, ...heads.map((text) => h('th', { scope: 'col' }, text)));
  return h('table', attributes, h('thead', {}, head), h('tbody', {}, ...rows.map(row)));
}
