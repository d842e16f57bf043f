// Elements beyond the page's right edge, and controls that are too small for a finger (WCAG 2.2, 2.5.8: 24 pixels).

const page = document.scrollingElement;
// `innerWidth` would not do: on a phone it grows with the widest element.
const width = arguments[0];
const bad = [];
if (page.scrollWidth > width) {
  bad.push(`${page.scrollWidth} pixels in ${width}`);
  for (const element of document.querySelectorAll('body *')) {
    const box = element.getBoundingClientRect();
    if (box.right > width + 0.5 && element.checkVisibility()) bad.push(`${element.tagName} .${element.getAttribute('class')}: ${box.right}`);
  }
}
// A text that is cut off counts as well, unless it is marked as expected.
for (const element of document.querySelectorAll('button, a, .value, [data-test="hero-power"]')) {
  if (element.checkVisibility() && element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== 'visible') {
    bad.push(`cut off: ${element.textContent.trim()} (${element.tagName} .${element.getAttribute('class')})`);
  }
}
for (const element of document.querySelectorAll('button, select, summary, input, nav a')) {
  const box = (element.closest('label') ?? element).getBoundingClientRect();
  if (element.checkVisibility() && box.width > 0 && (box.width < 24 || box.height < 24)) {
    bad.push(`small: ${element.textContent.trim()} ${element.tagName} ${box.width} x ${box.height}`);
  }
}
return bad.slice(0, 12);
