// Heads and groups of neurons: how they are called, and the buttons that stand for them.

import { element } from "../element.js";
import { placeOfItem } from "../links.js";

export function partOf(model, item) {
  return (item[0] === "h" ? model.heads : model.neurons)[placeOfItem(item)];
}

export function partName(model, item) {
  const part = partOf(model, item);
  if (item[0] === "h") return `a${part.layer}.h${part.head}`;
  return part.stop - part.start === 1
    ? `m${part.layer}.${part.start}`
    : `m${part.layer}.${part.start}–${part.stop - 1}`;
}

export function isAblated(state, model, item) {
  const part = partOf(model, item);
  if (item[0] === "h") return state.interventions.heads.has(`${part.layer}.${part.head}`);
  for (let neuron = part.start; neuron < part.stop; neuron++) {
    if (!state.interventions.neurons.has(`${part.layer}.${neuron}`)) return false;
  }
  return true;
}

export function ablate(state, model, item, on) {
  const part = partOf(model, item);
  if (item[0] === "h") state.ablateHead(part, on);
  else state.ablateNeurons(part.layer, part.start, part.stop, on);
}

export function partButton(model, state, item) {
  const { writes } = partOf(model, item);
  const kind = item[0] === "h" ? "head" : "neurons";
  const button = element(
    "button",
    {
      type: "button",
      class: "tl-part",
      "data-item": item,
      title: `${kind} ${partName(model, item)}, writes ${writes}`,
      "aria-label": `${kind} ${partName(model, item)}, writes ${writes}`,
      onclick: () => state.select(item),
    },
    partName(model, item),
  );
  state.on("run", () => button.classList.toggle("tl-off", isAblated(state, model, item)));
  return button;
}
