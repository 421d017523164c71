// Marks everything that belongs to what is pointed at or selected, everywhere on the page.

import { revealSelected } from "./reveal.js";

export function highlightLinked(root, state, links) {
  const pointed = (event) => {
    const target = event.target.closest("[data-item], [data-position]");
    if (event.target.tagName === "CANVAS" && target?.tagName === "TR") return; // it says which position itself
    const item = target?.dataset.line ?? target?.dataset.item ?? null;
    state.hover(item, target?.dataset.position === undefined ? null : Number(target.dataset.position));
  };
  root.addEventListener("pointerover", pointed);
  root.addEventListener("focusin", pointed);
  root.addEventListener("pointerleave", () => state.hover(null));
  root.addEventListener("focusout", () => state.hover(null));

  const mark = () => {
    const hovered = links.get(state.hovered.item) ?? new Set();
    const selected = links.get(state.item) ?? new Set();
    for (const each of root.querySelectorAll("[data-item]")) {
      const items = [each.dataset.item, each.dataset.line];
      each.classList.toggle(
        "tl-hovered",
        items.some((item) => hovered.has(item)),
      );
      each.classList.toggle(
        "tl-selected",
        items.some((item) => selected.has(item)),
      );
    }
    for (const each of root.querySelectorAll("[data-position]")) {
      const position = Number(each.dataset.position);
      each.classList.toggle("tl-here", position === state.position || position === state.hovered.position);
    }
    for (const edge of root.querySelectorAll(".tl-edge")) {
      edge.classList.toggle(
        "tl-hovered",
        state.hovered.item === edge.dataset.from || state.hovered.item === edge.dataset.to,
      );
      edge.classList.toggle("tl-selected", state.item === edge.dataset.from || state.item === edge.dataset.to);
    }
  };
  state.on("run selection hover", mark);
  state.on("selection", () => revealSelected(root));
}
