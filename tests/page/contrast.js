// Visible texts whose contrast is below WCAG 2.2's AA (1.4.3): 4.5, or 3 for large ones.

const pixel = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });

// Resulting colour of these layers, in any notation.
function mixed(layers) {
  pixel.globalAlpha = 1;
  pixel.fillStyle = matchMedia('(prefers-color-scheme: dark)').matches ? '#121212' : '#ffffff';
  pixel.fillRect(0, 0, 1, 1);
  for (const { colour, opacity } of layers) {
    pixel.globalAlpha = opacity;
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
  }
  return pixel.getImageData(0, 0, 1, 1).data;
}

function luminance(rgb) {
  const [r, g, b] = [0, 1, 2].map((i) => {
    const part = rgb[i] / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const bad = new Set();
let seen = 0;
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  const text = texts.currentNode.data.trim();
  const box = element.getBoundingClientRect();
  const visible = element.checkVisibility({ visibilityProperty: true }) && box.width > 1 && box.height > 1;
  // Disabled and hidden elements need no contrast.
  if (!text || !visible || element.closest('script, style, :disabled')) continue;
  seen += 1;
  const layers = [];
  let opacity = 1;
  for (let e = element; e; e = e.parentElement) {
    const style = getComputedStyle(e);
    layers.unshift({ colour: style.backgroundColor, opacity: 1 });
    opacity *= Number(style.opacity);
  }
  const style = getComputedStyle(element);
  const colour = element instanceof SVGElement ? style.fill : style.color;
  const [behind, text_colour] = [mixed(layers), mixed([...layers, { colour, opacity }])].map(luminance);
  const ratio = (Math.max(behind, text_colour) + 0.05) / (Math.min(behind, text_colour) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) bad.add(`${ratio.toFixed(2)}: "${text.slice(0, 40)}" (${element.tagName} .${element.getAttribute('class')})`);
}
return { seen, bad: [...bad] };
