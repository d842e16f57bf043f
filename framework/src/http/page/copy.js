// Copies numbers with all their digits, also those that are shown rounded.
//
// An element with `data-exact` shows a number; the attribute is what is copied in its place. Whoever selects a part of a
// number gets that part.

/** @type {(element: Element) => string} */
const exactOf = (element) => /** @type {HTMLElement} */ (element).dataset.exact ?? '';

export function start() {
  document.addEventListener('copy', (event) => {
    const selection = getSelection();
    const text = selection?.rangeCount && !isField(document.activeElement) ? textOf(selection) : null;
    if (text === null || !event.clipboardData) return;
    event.clipboardData.setData('text/plain', text);
    event.preventDefault();
  });
}

/** @type {(element: Element | null) => boolean} */
const isField = (element) => Boolean(element?.matches('input, textarea'));

/**
 * Returns what is selected, with exact numbers; `null` if there is none in it.
 * @param {Selection} selection
 */
function textOf(selection) {
  const range = selection.getRangeAt(0);
  const found = [...document.querySelectorAll('[data-exact]')].filter((element) => isWhole(element, range));
  if (!found.length) return null;
  // The browser lays the text out, with tabs between the cells of a table: so the numbers are exchanged for a moment.
  const around = range.cloneRange();
  for (const element of found) widen(around, element);
  const shown = found.map((element) => [...element.childNodes]);
  for (const element of found) element.replaceChildren(exactOf(element));
  selection.removeAllRanges();
  selection.addRange(around);
  const text = selection.toString();
  found.forEach((element, i) => element.replaceChildren(...shown[i]));
  const same = document.createRange();
  same.setStart(around.startContainer, around.startOffset);
  same.setEnd(around.endContainer, around.endOffset);
  selection.removeAllRanges();
  selection.addRange(same);
  return text;
}

// Whether all of an element's text is selected.
/** @type {(element: Element, range: Range) => boolean} */
function isWhole(element, range) {
  if (!range.intersectsNode(element) || !element.textContent) return false;
  const own = document.createRange();
  own.selectNodeContents(element);
  const inner = range.cloneRange();
  if (inner.compareBoundaryPoints(Range.START_TO_START, own) < 0) inner.setStart(own.startContainer, own.startOffset);
  if (inner.compareBoundaryPoints(Range.END_TO_END, own) > 0) inner.setEnd(own.endContainer, own.endOffset);
  return inner.toString() === element.textContent;
}

// Puts the ends of a range outside of an element, so that its content can be exchanged.
/** @type {(range: Range, element: Element) => void} */
function widen(range, element) {
  if (element.contains(range.startContainer)) range.setStartBefore(element);
  if (element.contains(range.endContainer)) range.setEndAfter(element);
}
