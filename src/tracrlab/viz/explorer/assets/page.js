// The entry of a page of its own.

import { forward } from "./forward.js";
import { showExplorer } from "./explorer.js";
import { answersOf } from "./state.js";

const page = await showExplorer(
  document.getElementById("explorer"),
  JSON.parse(document.getElementById("payload").textContent),
);

// For those who look at the page with the browser's console.
globalThis.tracrlab = {
  ...page,
  run(ids, interventions) {
    const run = forward(page.model, ids, interventions);
    return { ...run, answers: answersOf(page.model, run) };
  },
};
