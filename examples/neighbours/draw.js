// Drawing with the pointer held down. Without this script each pixel is a box to check.
const paper = document.querySelector(".paper");
let ink = null; // what the pixels become while the pointer is down

function draw(event) {
  const pixel = document.elementFromPoint(event.clientX, event.clientY);
  if (ink !== null && pixel && pixel.parentNode === paper) pixel.checked = ink;
}

paper.addEventListener("pointerdown", (event) => {
  if (event.target.parentNode !== paper || event.button !== 0) return;
  ink = !event.target.checked;
  draw(event);
});
addEventListener("pointermove", draw);
addEventListener("pointerup", () => { ink = null; });
addEventListener("pointercancel", () => { ink = null; });
// The pixel under the pointer is drawn already; a key changes it as everywhere.
paper.addEventListener("click", (event) => { if (event.detail > 0) event.preventDefault(); });
