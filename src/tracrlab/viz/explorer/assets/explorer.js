// The explorer as a whole, in an element of a page or of a notebook.

import { paletteOf } from "./colours.js";
import { element } from "./element.js";
import { highlightLinked } from "./highlight.js";
import { linksOf } from "./links.js";
import { unpackedMatrices } from "./packing.js";
import { graphPanel } from "./panels/graph.js";
import { outputPanel } from "./panels/output.js";
import { patternsPanel } from "./panels/patterns.js";
import { residualPanel } from "./panels/residual.js";
import { selectionPanel } from "./panels/selection.js";
import { sourcePanel } from "./panels/source.js";
import { tokensPanel } from "./panels/tokens.js";
import { createState } from "./state.js";
import { themeButton } from "./theme.js";

// Show a model, as payload.py describes it, in `root`; the state, whose "run" a notebook listens to, and the model.
export async function showExplorer(root, payload) {
  const model = { ...payload, matrices: await unpackedMatrices(payload.weights, payload.config.dtype) };
  const state = createState(model);
  const links = linksOf(model);
  root.classList.add("tl-root");
  let colours = paletteOf(root);
  const palette = () => colours;
  const recolour = () => {
    colours = paletteOf(root);
    state.show(state.view);
  };
  const title = element("h1", {}, model.name);
  const summary = element("p", { class: "tl-summary", title: summaryText(model) }, summaryText(model));
  const hint = element("p", { class: "tl-hint" }, "arrow keys move · Enter selects · Esc lets go");
  root.replaceChildren(
    element(
      "div",
      { class: "tl-app" },
      element("header", { class: "tl-top" }, title, summary, hint, themeButton(root, recolour)),
      element("div", { class: "tl-input-row" }, tokensPanel(model, state), outputPanel(model, state)),
      sourcePanel(model, state, links),
      graphPanel(model, state),
      residualPanel(model, state, palette),
      patternsPanel(model, state, links, palette),
      selectionPanel(model, state, links),
    ),
  );
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") state.select(`e${model.expressions.length - 1}`, null);
  });
  state.show("values");
  state.select(state.item);
  highlightLinked(root, state, links);
  state.hover(state.item); // mark what is selected, and scroll nowhere
  state.hover(null);
  return { model, state };
}

function summaryText({ config, heads }) {
  const { nLayers, dModel, dHead, dMlp, causal, mode, dtype } = config;
  const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  return `${counted(nLayers, "layer")} · ${heads.length ? `${counted(heads.length, "head")} of ${dHead}` : "no heads"} · d_model ${dModel} · d_mlp ${dMlp} · ${causal ? "causal" : "bidirectional"} · ${mode} · ${dtype}`;
}
