// What is selected: its text, its parts, its dimensions, and what can be done to it.

import { NONE, valueText } from "../decoding.js";
import { element, panel } from "../element.js";
import { ofKind, placeOfItem } from "../links.js";
import { ablate, isAblated, partButton, partOf } from "./parts.js";

const MOST_OPTIONS = 300;

export function selectionPanel(model, state, links) {
  const body = element("div", { class: "tl-scroll tl-details" });
  const reset = element("button", { type: "button", class: "tl-small", onclick: () => state.reset() }, "undo all");
  const numbers = new Map(); // the neuron that is chosen in each group
  const show = () => {
    reset.hidden = !state.intervened;
    const place = controlsOf(body).indexOf(document.activeElement);
    body.replaceChildren(...interventions(model, state), ...described(model, state, links, numbers));
    if (place >= 0) controlsOf(body)[place]?.focus(); // whoever uses the keyboard stays where they are
  };
  state.on("run selection", show);
  return panel("selection", "Selection", [reset], body);
}

function controlsOf(body) {
  return [...body.querySelectorAll("button, select, input")];
}

function described(model, state, links, numbers) {
  const related = [...(links.get(state.item) ?? [])];
  const [expressionItem] =
    state.item[0] === "e" ? [state.item] : ofKind(related, "e").filter((item) => !isSelector(model, item));
  const expression = expressionItem && model.expressions[placeOfItem(expressionItem)];
  const own = expressionItem ? [...links.get(expressionItem)] : [state.item];
  const parts = [...ofKind(own, "h"), ...ofKind(own, "n")];
  const held = ofKind(own, "v");
  const lines = [];
  if (expression) {
    lines.push(
      element(
        "p",
        { class: "tl-title" },
        element("b", {}, expression.name),
        expression.text === expression.name ? "" : ` = ${expression.text}`,
      ),
    );
    if (expression.location) lines.push(element("p", { class: "tl-note" }, expression.location));
  }
  const [variable] =
    state.item[0] === "v" ? [state.item] : held.filter((item) => model.variables[placeOfItem(item)].isValue);
  if (variable && !model.readers) lines.push(patchRow(model, state, placeOfItem(variable)));
  lines.push(...parts.map((item) => partRow(model, state, item, numbers)));
  for (const item of held) lines.push(variableLine(model, state, item));
  if (!parts.length && !held.length)
    lines.push(element("p", { class: "tl-note" }, "The model needs no part of its own for it."));
  return lines;
}

function isSelector(model, item) {
  return model.graph.nodes.some((node) => node.is_selector && `e${node.expression}` === item);
}

function partRow(model, state, item, numbers) {
  const part = partOf(model, item);
  const off = isAblated(state, model, item);
  const reads =
    item[0] === "h" ? `q ${list(part.q)} · k ${list(part.k)} · v ${list(part.v)}` : `reads ${list(part.reads)}`;
  const controls = model.reduced
    ? []
    : [
        element(
          "button",
          {
            type: "button",
            class: "tl-small",
            "aria-pressed": String(off),
            onclick: () => ablate(state, model, item, !off),
          },
          off ? "restore" : "ablate",
        ),
      ];
  if (!model.reduced && item[0] === "n" && part.stop - part.start > 1)
    controls.push(neuronControl(state, part, numbers));
  return element(
    "div",
    { class: "tl-row" },
    partButton(model, state, item),
    ...controls,
    element("span", { class: "tl-note tl-reads" }, reads),
  );
}

// A single neuron of a group, switched by its number.
function neuronControl(state, part, numbers) {
  const number = element("input", {
    type: "number",
    class: "tl-neuron",
    min: part.start,
    max: part.stop - 1,
    value: numbers.get(part) ?? part.start,
    "aria-label": `neuron of layer ${part.layer}`,
  });
  number.addEventListener("input", () => numbers.set(part, number.value));
  const toggle = () => {
    const neuron = Math.max(part.start, Math.min(part.stop - 1, Number(number.value) || part.start));
    state.ablateNeurons(part.layer, neuron, neuron + 1, !state.interventions.neurons.has(`${part.layer}.${neuron}`));
  };
  const button = element(
    "button",
    { type: "button", class: "tl-small", title: "ablate or restore this neuron alone", onclick: toggle },
    "switch",
  );
  return element("span", { class: "tl-pair" }, number, button);
}

function list(names) {
  return names.filter((name) => name !== "one" && !name.startsWith("tokens:")).join(", ") || "constants";
}

function variableLine(model, state, item) {
  const { name, start, dimensions, sublayer, last } = model.variables[placeOfItem(item)];
  const where = dimensions.length === 1 ? `dimension ${start}` : `dimensions ${start}–${start + dimensions.length - 1}`;
  const until = last + 1 < model.sublayers.length ? `, until ${model.sublayers[last + 1]}` : "";
  const button = element(
    "button",
    { type: "button", class: "tl-part", "data-item": item, onclick: () => state.select(item) },
    name,
  );
  return element(
    "div",
    { class: "tl-row" },
    button,
    element("span", { class: "tl-note" }, `${where}, after ${model.sublayers[sublayer + 1]}${until}`),
  );
}

function patchRow(model, state, place) {
  const { name, decoding } = model.variables[place];
  if (state.position === null || state.position >= state.ids.length) {
    return element("p", { class: "tl-note" }, `Select a position to see and patch the value of ${name} there.`);
  }
  const position = state.position;
  const value = state.place(place, position);
  const patched = state.interventions.patches.has(`${place}.${position}`);
  const text = element(
    "span",
    {},
    `${name} at ${position} (${model.vocab[state.ids[position]]}) is `,
    element("b", {}, valueText(decoding, value)),
  );
  if (model.reduced) return element("div", { class: "tl-row" }, text);
  const undo = patched
    ? [
        element(
          "button",
          { type: "button", class: "tl-small", onclick: () => state.patch(place, position, null) },
          "unpatch",
        ),
      ]
    : [];
  return element(
    "div",
    { class: "tl-row" },
    text,
    patchControl(state, name, decoding, place, position, value),
    ...undo,
  );
}

function patchControl(state, name, decoding, place, position, value) {
  const label = `patch ${name} at position ${position}`;
  const places = [...decoding.values.keys(), ...(decoding.nullable ? [NONE] : [])];
  if (places.length > MOST_OPTIONS) {
    const input = element("input", { class: "tl-patch", "aria-label": label, placeholder: "patch to …" });
    input.addEventListener("change", () => {
      const chosen = decoding.values.indexOf(input.value.trim());
      input.setAttribute("aria-invalid", String(chosen < 0));
      if (chosen >= 0) state.patch(place, position, chosen);
    });
    return input;
  }
  const select = element(
    "select",
    { class: "tl-patch", "aria-label": label },
    element("option", { value: "" }, "patch to …"),
  );
  for (const each of places)
    select.append(element("option", { value: String(each), disabled: each === value }, valueText(decoding, each)));
  select.addEventListener("change", () => {
    if (select.value !== "") state.patch(place, position, Number(select.value));
  });
  return select;
}

function interventions(model, state) {
  if (!state.intervened) return [];
  const { heads, neurons, patches } = state.interventions;
  const undo = (text, action) =>
    element(
      "button",
      { type: "button", class: "tl-undo", "aria-label": `undo: ${text}`, onclick: action },
      `${text} ✕`,
    );
  const undone = [];
  for (const key of heads) {
    const [layer, head] = key.split(".").map(Number);
    undone.push(undo(`a${layer}.h${head} ablated`, () => state.ablateHead({ layer, head }, false)));
  }
  for (const group of neuronRuns(neurons)) {
    const span = group.stop - group.start > 1 ? `${group.start}–${group.stop - 1}` : group.start;
    undone.push(
      undo(`m${group.layer}.${span} ablated`, () => state.ablateNeurons(group.layer, group.start, group.stop, false)),
    );
  }
  for (const { variable, position, place } of patches.values()) {
    const { name, decoding } = model.variables[variable];
    undone.push(
      undo(`${name} at ${position} := ${valueText(decoding, place)}`, () => state.patch(variable, position, null)),
    );
  }
  return [element("div", { class: "tl-interventions", role: "group", "aria-label": "Interventions" }, ...undone)];
}

// The ablated neurons as runs of consecutive ones.
function neuronRuns(keys) {
  const sorted = [...keys].map((key) => key.split(".").map(Number)).sort(([l, n], [m, o]) => l - m || n - o);
  const runs = [];
  for (const [layer, neuron] of sorted) {
    const last = runs.at(-1);
    if (last?.layer === layer && last.stop === neuron) last.stop++;
    else runs.push({ layer, start: neuron, stop: neuron + 1 });
  }
  return runs;
}
