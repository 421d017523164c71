// Attention patterns: all heads small, and one of them, the last selected, large with the tokens at its sides.

import { numberText, paint } from "../colours.js";
import { element, panel } from "../element.js";
import { ofKind, placeOfItem } from "../links.js";
import { isAblated, partName } from "./parts.js";

export function patternsPanel(model, state, links, palette) {
  if (!model.heads.length) {
    return panel(
      "patterns",
      "Attention patterns",
      [],
      element("div", { class: "tl-scroll" }, element("p", { class: "tl-note" }, "This model has no attention heads.")),
    );
  }
  let shown = 0;
  const thumbnails = model.heads.map((head, place) => {
    const item = `h${place}`;
    const canvas = element("canvas", { "aria-hidden": "true" });
    return element(
      "button",
      {
        type: "button",
        class: "tl-thumbnail",
        "data-item": item,
        "aria-label": `pattern of head ${partName(model, item)}, which writes ${head.writes}`,
        title: head.writes,
        onclick: () => state.select(item),
      },
      canvas,
      element("span", {}, partName(model, item)),
    );
  });
  const title = element("p", { class: "tl-pattern-title" });
  const large = element("canvas", { role: "img" });
  const across = element("div", { class: "tl-axis tl-across", "aria-hidden": "true" });
  const down = element("div", { class: "tl-axis tl-down", "aria-hidden": "true" });
  const marker = element("div", { class: "tl-marker", "aria-hidden": "true" });
  const plot = element("div", { class: "tl-plot" }, large, marker);
  const readout = element("p", { class: "tl-readout tl-attends" });

  plot.addEventListener("pointermove", (event) => {
    const { left, top, width, height } = large.getBoundingClientRect();
    const n = state.run.n;
    const clamp = (share) => Math.max(0, Math.min(n - 1, Math.floor(share * n)));
    const [key, query] = [clamp((event.clientX - left) / width), clamp((event.clientY - top) / height)];
    state.hover(`h${shown}`, query - 1);
    readout.textContent = `${tokenName(model, state, query)} attends to ${tokenName(model, state, key)}: ${numberText(patternOf(model, state, shown)[query * n + key])}`;
  });
  plot.addEventListener("pointerleave", describe);
  plot.addEventListener("click", () => state.select(`h${shown}`, Math.max(state.hovered.position ?? 0, 0)));

  function describe() {
    const query = state.position === null ? state.run.n - 1 : state.position + 1;
    readout.textContent = `${tokenName(model, state, query)} attends to ${attendedText(model, state, shown, query)}`;
    marker.style.setProperty("--tl-from", query / state.run.n);
    marker.style.setProperty("--tl-size", 1 / state.run.n);
    marker.hidden = state.position === null;
  }

  function show() {
    const head = model.heads[shown];
    title.textContent = `${partName(model, `h${shown}`)} → ${head.writes}${isAblated(state, model, `h${shown}`) ? " (ablated)" : ""}`;
    large.setAttribute(
      "aria-label",
      `attention pattern of ${title.textContent}: a row for each query, a column for each key`,
    );
    paintPattern(model, state, large, shown, palette());
    for (const axis of [across, down]) {
      axis.replaceChildren(
        ...Array.from({ length: state.run.n }, (_, p) => element("span", {}, p ? model.vocab[state.ids[p - 1]] : "·")),
      );
      axis.style.setProperty("--tl-count", state.run.n);
    }
    describe();
  }

  state.on("run", () => {
    thumbnails.forEach((button, place) => {
      paintPattern(model, state, button.firstChild, place, palette());
      button.classList.toggle("tl-off", isAblated(state, model, `h${place}`));
    });
    show();
  });
  state.on("selection", () => {
    const [head] = ofKind(links.get(state.item) ?? [], "h");
    if (head) shown = placeOfItem(head);
    thumbnails.forEach((button, place) => button.setAttribute("aria-pressed", String(place === shown)));
    show();
  });
  const figure = element("div", { class: "tl-figure" }, element("div", { class: "tl-corner" }), across, down, plot);
  const body = element(
    "div",
    { class: "tl-scroll" },
    element("div", { class: "tl-thumbnails" }, ...thumbnails),
    title,
    figure,
    readout,
  );
  return panel("patterns", "Attention patterns", [], body);
}

function patternOf(model, state, place) {
  const { layer, head } = model.heads[place];
  return state.run.patterns[layer][head];
}

function paintPattern(model, state, canvas, place, palette) {
  const n = state.run.n;
  const pattern = patternOf(model, state, place);
  paint(canvas, n, n, (query, key) => pattern[query * n + key], palette);
}

function tokenName(model, state, p) {
  return p ? `${model.vocab[state.ids[p - 1]]} (${p - 1})` : "BOS";
}

// The keys that get most.
function attendedText(model, state, place, query) {
  const n = state.run.n;
  const weights = [...patternOf(model, state, place).slice(query * n, (query + 1) * n)].map((weight, key) => ({
    weight,
    key,
  }));
  weights.sort((one, other) => other.weight - one.weight);
  const told = weights.filter(({ weight }) => weight > 0.01).slice(0, 3);
  const rest = weights.filter(({ weight }) => weight > 0.01).length - told.length;
  const text = told.map(({ weight, key }) => `${tokenName(model, state, key)} ${weight.toFixed(2)}`).join(", ");
  return rest > 0 ? `${text} and ${rest} more` : text;
}
