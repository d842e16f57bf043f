// What the page looks like two frames from now; `null` while something is still to come: the view that the address
// names, its answers, or pictures for the size of the screen. A page that looks the same twice is settled.

const seen = () => {
  const [name] = location.hash.slice(1).split(/[/?]/);
  const view = document.querySelector('.view:not([hidden])');
  const named = name && document.querySelector(`[data-test="view-${CSS.escape(name)}"]`);
  if (named && named !== view) return null;
  // These say when their answers are there. Without the program, there is none.
  const isCut = document.querySelector('[data-test="offline"]')?.checkVisibility();
  const answers = ['now', 'history', 'readings', 'costs', 'insights'].some((it) => view?.classList.contains(it));
  if (answers && !isCut && !['true', 'failed'].includes(view.dataset.ready)) return null;
  for (const picture of document.querySelectorAll('.plot > svg[width]')) {
    if (picture.checkVisibility() && Number(picture.getAttribute('width')) !== picture.parentElement.clientWidth) return null;
  }
  const isMoving = document.getAnimations().some((it) => it.playState === 'running' && it.effect.getComputedTiming().endTime !== Infinity);
  if (isMoving || document.fonts.status !== 'loaded') return null;
  const boxes = Array.from(document.querySelectorAll('body, .view:not([hidden]) *'), (e) => e.getBoundingClientRect());
  return [boxes.length, ...['top', 'right', 'bottom'].map((side) => boxes.reduce((sum, box) => sum + Math.round(box[side]), 0))].join(' ');
};
return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(seen()))));
