// The residual stream: a row for each variable, by the sublayer that writes it; its value, or its dimensions, by position.

import { paint, numberText } from "../colours.js";
import { valueText } from "../decoding.js";
import { element, panel } from "../element.js";
import { movedFocus } from "../keyboard.js";
import { partButton } from "./parts.js";

const DIMENSION = [4, 14]; // least and greatest height of a dimension, in pixels
const LONGEST_VALUE = 9; // characters of a value
const TALLEST = 96; // a variable's dimensions

export function residualPanel(model, state, palette) {
  const readout = element("span", { class: "tl-readout" });
  const views = ["values", "dimensions"].map((view) =>
    element("button", { type: "button", class: "tl-small", "data-view": view, onclick: () => state.show(view) }, view),
  );
  const head = element("thead");
  const table = element("table", { class: "tl-table", onkeydown: movedFocus }, head);
  const rows = [];
  model.sublayers.forEach((name, index) => {
    const own = model.variables
      .map((variable, place) => ({ variable, place }))
      .filter(({ variable }) => variable.sublayer === index - 1);
    if (!own.length) return;
    const parts = index % 2 ? model.heads : model.neurons;
    const kind = index % 2 ? "h" : "n";
    const layer = Math.floor((index - 1) / 2);
    const chips = parts.flatMap((part, place) =>
      part.layer === layer && index ? [partButton(model, state, `${kind}${place}`)] : [],
    );
    const heading = element(
      "th",
      { scope: "rowgroup", class: "tl-group" },
      element("div", { class: "tl-group-row" }, element("span", { class: "tl-group-name" }, name), ...chips),
    );
    const body = element("tbody", {}, element("tr", {}, heading));
    for (const { variable, place } of own) {
      const row = variableRow(state, variable, place, readout, model);
      rows.push(row);
      body.append(row.element);
    }
    table.append(body);
  });

  let shown = -1;
  state.on("run", () => {
    const n = state.ids.length;
    if (shown !== n) {
      head.replaceChildren(
        element(
          "tr",
          {},
          element("th", {}),
          ...state.ids.map((_, p) =>
            element(
              "th",
              { scope: "col", "data-position": p },
              element("span", { class: "tl-index" }, String(p)),
              element("b"),
            ),
          ),
        ),
      );
      for (const heading of table.querySelectorAll(".tl-group")) heading.colSpan = n + 1;
    }
    shown = n;
    head.querySelectorAll("b").forEach((token, p) => (token.textContent = model.vocab[state.ids[p]]));
    table.classList.toggle("tl-uniform", state.view === "dimensions"); // columns as wide as those of the canvases
    for (const button of views) button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
    for (const row of rows) (state.view === "values" ? showValues : showDimensions)(model, state, row, palette());
    if (!table.querySelector("td[tabindex='0']")) table.querySelector("td[tabindex]")?.setAttribute("tabindex", 0);
  });
  return panel("residual", "Residual stream", [readout, ...views], element("div", { class: "tl-scroll" }, table));
}

function variableRow(state, variable, place, readout, model) {
  const item = `v${place}`;
  const name = element(
    "button",
    {
      type: "button",
      class: "tl-variable",
      "data-item": item,
      title: describedVariable(variable),
      onclick: () => state.select(item),
    },
    variable.name,
  );
  const row = element(
    "tr",
    { "data-item": item, class: variable.isValue ? "" : "tl-intermediate" },
    element("th", { scope: "row" }, name),
  );
  row.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-position]");
    if (cell) state.select(item, Number(cell.dataset.position));
  });
  row.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-position]");
    if (!cell || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    state.select(item, Number(cell.dataset.position));
  });
  row.addEventListener("pointermove", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const { left, top, width, height } = event.target.getBoundingClientRect();
    const position = Math.min(Math.floor(((event.clientX - left) / width) * state.ids.length), state.ids.length - 1);
    const dimension = Math.min(
      Math.floor(((event.clientY - top) / height) * variable.dimensions.length),
      variable.dimensions.length - 1,
    );
    const value = state.run.shown[variable.last][(position + 1) * model.config.dRead + variable.start + dimension];
    readout.textContent = `${variable.dimensions[dimension]} at ${position}: ${numberText(value)}`;
    state.hover(item, position);
  });
  row.addEventListener("pointerleave", () => (readout.textContent = ""));
  return { element: row, variable, place };
}

function showValues(model, state, { element: row, variable, place }) {
  const n = state.ids.length;
  fitCells(row, n, (p) => element("td", { "data-item": `v${place}`, "data-position": p, tabindex: -1 }));
  for (let p = 0; p < n; p++) {
    const cell = row.children[p + 1];
    const value = state.place(place, p);
    cell.classList.toggle("tl-patched", state.interventions.patches.has(`${place}.${p}`));
    if (cell.shownPlace === value) continue; // most stay as they are when a letter is typed
    cell.shownPlace = value;
    const whole = valueText(variable.decoding, value);
    cell.textContent = shortened(whole);
    cell.title = cell.textContent.endsWith("…") ? whole : "";
    cell.style.setProperty("--tl-share", value < 0 ? 0 : (value + 1) / variable.decoding.values.length);
  }
}

// What fits into a cell: fractions without the zero in front, the beginning of a long text.
function shortened(text) {
  const short = text.replace(/^(-?)0\./, "$1.");
  return short.length > LONGEST_VALUE ? `${short.slice(0, LONGEST_VALUE - 1)}…` : short;
}

function showDimensions(model, state, { element: row, variable }, palette) {
  const n = state.ids.length;
  const count = variable.dimensions.length;
  fitCells(row, 1, () => element("td", { class: "tl-strip-cell" }, element("canvas")));
  const [cell] = [row.children[1]];
  cell.colSpan = Math.max(n, 1);
  const canvas = cell.firstChild;
  canvas.setAttribute("aria-label", `${count} dimensions of ${variable.name} by position`);
  canvas.setAttribute("role", "img");
  canvas.style.height = `${Math.max(count * DIMENSION[0], Math.min(count * DIMENSION[1], TALLEST))}px`;
  const residual = state.run.shown[variable.last];
  const numberAt = (dimension, p) => residual[(p + 1) * model.config.dRead + variable.start + dimension];
  let largest = 1;
  for (let dimension = 0; dimension < count; dimension++)
    for (let p = 0; p < n; p++) largest = Math.max(largest, Math.abs(numberAt(dimension, p)));
  paint(canvas, count, n, numberAt, palette, largest);
}

// Give a row this many cells after its heading, of the kind that is wanted.
function fitCells(row, count, make) {
  const isCanvas = Boolean(row.querySelector("canvas"));
  const wantsCanvas = Boolean(make(0).firstChild);
  if (isCanvas !== wantsCanvas) while (row.children.length > 1) row.lastChild.remove();
  while (row.children.length > count + 1) row.lastChild.remove();
  while (row.children.length < count + 1) row.append(make(row.children.length - 1));
}

function describedVariable({ name, start, dimensions, isValue, expression }) {
  const held = dimensions.length === 1 ? `dimension ${start}` : `dimensions ${start}–${start + dimensions.length - 1}`;
  return `${name}: ${held}${isValue ? "" : `, on the way to ${expression}`}`;
}
