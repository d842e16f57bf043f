// Texts of a drawing that leave it, or that cover each other.

const bad = [];
for (const svg of document.querySelectorAll('svg')) {
  if (!svg.checkVisibility() || !svg.querySelector('text')) continue;
  const whole = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent.trim());
  const boxes = texts.map((text) => text.getBoundingClientRect());
  boxes.forEach((box, i) => {
    const name = texts[i].textContent;
    const out = Math.max(whole.left - box.left, box.right - whole.right, whole.top - box.top, box.bottom - whole.bottom);
    if (out > 1) bad.push(`${name}: ${out.toFixed(1)} pixels outside of its drawing`);
    boxes.slice(i + 1).forEach((other, j) => {
      const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
      const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
      if (wide > 1 && high > 4) bad.push(`${name} covers ${texts[i + 1 + j].textContent}`);
    });
  });
}
return bad.slice(0, 8);
