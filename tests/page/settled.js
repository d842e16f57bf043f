// What the page looks like two frames from now. `lacks` says what is still to come: the view that the address names, its
// answers, or pictures for the size of the screen. A page that looks the same twice is settled.

const seen = () => {
  const [name] = location.hash.slice(1).split(/[/?]/);
  const view = document.querySelector('.view:not([hidden])');
  const named = name && document.querySelector(`[data-test="view-${CSS.escape(name)}"]`);
  if (named && named !== view) return { lacks: name };
  // These say when their answers are there. Without the program, there is none.
  const isCut = document.querySelector('[data-test="offline"]')?.checkVisibility();
  const answers = ['now', 'history', 'readings', 'costs', 'insights'].some((it) => view?.classList.contains(it));
  if (answers && !isCut && !['true', 'failed'].includes(view.dataset.ready)) return { lacks: `answers of ${view.className}` };
  for (const picture of document.querySelectorAll('.plot svg[width]')) {
    const [width, { clientWidth: room, classList }] = [Number(picture.getAttribute('width')), picture.parentElement];
    const fits = classList.contains('scroll') ? width > room : width === room;
    if (picture.checkVisibility() && !fits) return { lacks: `a picture for ${room} pixels in place of ${width}` };
  }
  const moving = document.getAnimations().find((it) => it.playState === 'running' && it.effect.getComputedTiming().endTime !== Infinity);
  if (moving) return { lacks: `the end of ${moving.animationName ?? moving.transitionProperty}` };
  if (document.fonts.status !== 'loaded') return { lacks: 'letters' };
  const boxes = Array.from(document.querySelectorAll('body, .view:not([hidden]) *'), (e) => e.getBoundingClientRect());
  return [boxes.length, ...['top', 'right', 'bottom'].map((side) => boxes.reduce((sum, box) => sum + Math.round(box[side]), 0))];
};
return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(seen()))));
