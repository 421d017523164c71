// The entry of a notebook: what anywidget calls.

import { showExplorer } from "./explorer.js";

async function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "tl-widget";
  el.append(root);
  const { state } = await showExplorer(root, JSON.parse(model.get("payload")));
  state.on("run", () => {
    model.set("tokens", [...state.ids]);
    model.save_changes();
  });
}

const widget = { render };
export { widget as default };
