// Previous and next by a swipe of a finger, and by the arrow keys.

import { on } from './dom.js';

// A swipe is this long at least, in pixels, and lasts this long at most: a slow finger reads the values of a chart.
const FAR = 60;
const QUICK = 400;

/**
 * Calls `move` with -1 or 1, as long as `section` is shown.
 * @param {HTMLElement} section
 * @param {(count: number) => void} move
 */
export function onSwipe(section, move) {
  /** @type {PointerEvent | null} */
  let begin = null;
  on(section, 'pointerdown', (event) => {
    const { pointerType, isPrimary, target } = /** @type {PointerEvent} */ (event);
    const scrolls = target instanceof Element && target.closest('.scroll, input, select');
    begin = pointerType === 'touch' && isPrimary && !scrolls ? /** @type {PointerEvent} */ (event) : null;
  });
  on(section, 'pointercancel', () => (begin = null));
  on(section, 'pointerup', (event) => {
    if (!begin) return;
    const { clientX, clientY, timeStamp } = /** @type {PointerEvent} */ (event);
    const [x, y] = [clientX - begin.clientX, clientY - begin.clientY];
    if (Math.abs(x) > FAR && Math.abs(x) > 2 * Math.abs(y) && timeStamp - begin.timeStamp < QUICK) move(x > 0 ? -1 : 1);
    begin = null;
  });
  on(document, 'keydown', (event) => {
    const { key, target, altKey, ctrlKey, metaKey, shiftKey } = /** @type {KeyboardEvent} */ (event);
    const count = { ArrowLeft: -1, ArrowRight: 1 }[key];
    const isUsed = event.defaultPrevented || altKey || ctrlKey || metaKey || shiftKey || section.hidden;
    if (!count || isUsed || (target instanceof Element && target.closest('input, select, textarea, dialog'))) return;
    event.preventDefault();
    move(count);
  });
}
