// Elements without markup: texts of meters and configurations only ever become text nodes.

const SVG = 'http://www.w3.org/2000/svg';

// Sets attributes; `null` and `false` take one away, `true` sets an empty one.
/**
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} attributes
 */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? '' : String(value));
  }
  return element;
}

// Makes elements of `('p.hint@reason', {attributes}, ...children)`: a `p` of the class `hint`, whose hook for tests is
// `reason`. Attributes may be left out, a child may be a list of children, and `null` is no child.
/**
 * @template {Element} E
 * @param {(name: string) => E} create
 * @returns {(tag: string, ...rest: (Attributes | Child)[]) => E}
 */
const maker =
  (create) =>
  (tag, ...rest) => {
    const [, kind, test] = /** @type {RegExpExecArray} */ (/^([^@]*)@?(.*)$/s.exec(tag));
    const [name, ...classes] = kind.split('.');
    const element = create(name);
    if (test) set(element, { 'data-test': test });
    if (classes.length) set(element, { class: classes.join(' ') });
    if (rest[0]?.constructor === Object) set(element, /** @type {Attributes} */ (rest.shift()));
    const children = /** @type {Child[]} */ (rest).flat(9);
    element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child != null && child !== false)));
    return element;
  };

/** @typedef {Extract<keyof GlobalEventHandlersEventMap, string>} EventName */

/** @type {<T extends string>(tag: T, ...rest: (Attributes | Child)[]) => HtmlElement<T>} */
export const h = /** @type {any} */ (maker((name) => document.createElement(name)));
/** @type {<T extends string>(tag: T, ...rest: (Attributes | Child)[]) => SvgElement<T>} */
export const s = /** @type {any} */ (maker((name) => document.createElementNS(SVG, name)));

/** @type {(name: string) => SVGElement} */
export const icon = (name) => s('svg.icon', { 'aria-hidden': 'true' }, s('use', { href: `#i-${name}` }));

/**
 * @template {EventTarget} E
 * @template {EventName} N
 * @param {E} element
 * @param {N} event
 * @param {(event: GlobalEventHandlersEventMap[N]) => unknown} handler
 * @param {AddEventListenerOptions} [options]
 * @returns {E}
 */
export const on = (element, event, handler, options) => {
  element.addEventListener(event, /** @type {EventListener} */ (handler), options);
  return element;
};

// The elements of a list of parts of the page.
/** @type {<E extends Element>(parts: {element: E}[]) => E[]} */
export const elements = (parts) => parts.map(({ element }) => element);

/** @type {(test: string, content: Child, handler: (event: PointerEvent) => unknown, attributes?: Attributes) => HTMLButtonElement} */
export const button = (test, content, handler, attributes) =>
  on(h(`button@${test}`, { type: 'button', ...attributes }, content), 'click', handler);

// Writes only what changed, so that a live page costs next to nothing.
/** @type {<E extends Node>(element: E, text: string) => E} */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

/** @type {<E extends Element>(element: E, visible: boolean) => E} */
export function show(element, visible) {
  const one = /** @type {HTMLElement} */ (/** @type {Element} */ (element));
  if (one.hidden === visible) one.hidden = !visible;
  return element;
}

// Writes a text, and hides the element where there is none.
/** @type {<E extends Element>(element: E, text: string | null | undefined) => E} */
export const say = (element, text) => show(write(element, text ?? ''), Boolean(text));

// Table of texts; the first cell heads its row.
/** @type {(heads: string[], rows: Child[][], label: string) => HTMLElement} */
export function table(heads, rows, label) {
  const head = heads.map((text) => h('th', { scope: 'col' }, text));
  /** @type {(cells: Child[]) => HTMLElement} */
  const row = ([first, ...more]) => h('tr', h('th', { scope: 'row' }, first), ...more.map((text) => h('td', text)));
  return h('table', { 'aria-label': label }, h('thead', h('tr', head)), h('tbody', rows.map(row)));
}
