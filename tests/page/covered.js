// Texts that cover each other, of elements that are not one within the other.

const texts = [];
const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  const element = node.parentElement;
  if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
  if (element.closest('svg, .tooltip, thead, .unseen')) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) if (box.width > 1 && box.height > 1) texts.push({ node, box });
}
const bad = [];
texts.forEach(({ node, box }, i) => {
  for (const other of texts.slice(i + 1)) {
    if (other.node === node) continue;
    const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
    const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
    // Lines may be set tighter than their letters are high.
    if (wide > 2 && high > 0.4 * Math.min(box.height, other.box.height)) bad.push(`"${node.data}" covers "${other.node.data}"`);
  }
});
return bad.slice(0, 8);
