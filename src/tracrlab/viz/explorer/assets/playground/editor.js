// A text area with line numbers, and a wavy line below the place of a problem.

import { element } from "../element.js";

export function createEditor(text, changed) {
  const numbers = element("pre", { class: "pg-numbers", "aria-hidden": "true" });
  const behind = element("pre", { class: "pg-behind", "aria-hidden": "true" });
  const area = element("textarea", {
    class: "pg-area",
    "aria-label": "RASP program",
    "aria-describedby": "pg-problem",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
    oninput: () => {
      mark(null);
      changed();
    },
    onscroll: align,
  });
  area.value = text;

  // Keep numbers and marks beside the text.
  function align() {
    numbers.scrollTop = area.scrollTop;
    behind.scrollTop = area.scrollTop;
    behind.scrollLeft = area.scrollLeft;
  }

  // Underline the word at a line and column, both from 1, or the whole line if there is no column.
  function mark(place) {
    const lines = area.value.split("\n");
    const wrong = place?.line ? Math.min(place.line, lines.length) : 0;
    numbers.replaceChildren(
      ...lines.flatMap((_, index) => [
        element("span", { class: index + 1 === wrong ? "pg-wrong-line" : "" }, String(index + 1)),
        "\n",
      ]),
    );
    behind.replaceChildren();
    if (wrong) {
      const line = lines[wrong - 1];
      const signs = [...line];
      const start = place.column ? Math.min(place.column - 1, Math.max(signs.length - 1, 0)) : 0;
      const head = signs.slice(0, start).join("");
      const rest = line.slice(head.length);
      const word = place.column ? (rest.match(/^\w+|^[^\w\s]+|^\s/)?.[0] ?? " ") : rest || " ";
      behind.append(
        `${lines.slice(0, wrong - 1).join("\n")}${wrong > 1 ? "\n" : ""}${head}`,
        element("span", { class: "pg-wrong" }, word),
        "\n".repeat(lines.length - wrong + 1),
      );
    }
    align();
  }

  // Put the cursor at a line and column.
  function go({ line, column = 1 }) {
    const lines = area.value.split("\n");
    const at =
      lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) +
      [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
    area.focus();
    area.setSelectionRange(at, at);
  }

  mark(null);
  const box = element("div", { class: "pg-editor" }, numbers, element("div", { class: "pg-text" }, behind, area));
  return { box, area, mark, go };
}
