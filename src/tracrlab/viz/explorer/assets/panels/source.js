// The program's text; the lines that build expressions are buttons.

import { element, panel } from "../element.js";
import { ofKind } from "../links.js";

export function sourcePanel(model, state, links) {
  const lines = model.source.map((line, index) => {
    const number = element("span", { class: "tl-number" }, String(line.number));
    if (!line.expressions.length) return element("li", {}, element("span", { class: "tl-line" }, number, line.text));
    const item = line.expressions.length === 1 ? `e${line.expressions[0]}` : `s${index}`;
    const own = line.expressions.flatMap((place) => [...links.get(`e${place}`)]);
    const idle = !ofKind(own, "h").length && !ofKind(own, "n").length && !ofKind(own, "v").length;
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: `tl-line${idle ? " tl-idle" : ""}`,
          "data-item": item,
          "data-line": `s${index}`,
          title: idle ? "the model needs no part of its own for it" : line.text,
          onclick: () => state.select(`e${line.expressions.at(-1)}`),
        },
        number,
        line.text,
      ),
    );
  });
  return panel("source", model.sourceName || "Program", [], element("ol", { class: "tl-lines tl-scroll" }, ...lines));
}
