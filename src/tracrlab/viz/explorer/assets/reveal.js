// Scroll each panel, and nothing around it, so that something selected in it can be seen.

export function revealSelected(root) {
  for (const scroll of root.querySelectorAll(":is(.tl-source, .tl-graph, .tl-residual) > .tl-scroll")) {
    const outer = scroll.getBoundingClientRect();
    const found = [...scroll.querySelectorAll(".tl-selected[data-item]")].map((each) => each.getBoundingClientRect());
    if (!found.length || found.some((inner) => isWithin(inner, outer))) continue;
    const [inner] = found;
    scroll.scrollLeft += moved(inner.left, inner.right, outer.left, outer.right);
    scroll.scrollTop += moved(inner.top, inner.bottom, outer.top, outer.bottom);
  }
}

function isWithin(inner, outer) {
  return (
    inner.bottom > outer.top + 20 &&
    inner.top < outer.bottom - 10 &&
    inner.right > outer.left &&
    inner.left < outer.right
  );
}

// How far to scroll so that the span lies in the middle, if it is not to be seen.
function moved(start, stop, low, high) {
  return start < low || stop > high ? (start + stop - low - high) / 2 : 0;
}
