// What the program's s-ops and selectors are on the running example.

import { element } from "../element.js";

export function showExampleValues(box, values) {
  const sops = values.filter(({ rows }) => !rows);
  const tables = [];
  if (sops.length) tables.push(sopTable(sops));
  const selectors = values.filter(({ rows }) => rows).map(selectorTable);
  if (selectors.length) tables.push(element("div", { class: "pg-selectors" }, ...selectors));
  if (!tables.length)
    tables.push(
      element("p", { class: "tl-note" }, "Named s-ops and selectors appear here with their values on the example."),
    );
  box.replaceChildren(...tables);
}

function sopTable(sops) {
  const groups = Map.groupBy ? Map.groupBy(sops, ({ tokens }) => tokens.join("\0")) : new Map([["", sops]]);
  const bodies = [...groups.values()].map((group) =>
    element(
      "tbody",
      {},
      element(
        "tr",
        { class: "pg-tokens" },
        element("th", {}),
        ...group[0].tokens.map((token) => element("th", { scope: "col" }, token)),
      ),
      ...group.map(({ name, values }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row", title: name }, name),
          ...values.map((value) => element("td", { title: value }, value)),
        ),
      ),
    ),
  );
  return element("table", { class: "pg-values" }, ...bodies);
}

function selectorTable({ name, tokens, rows }) {
  const heading = element(
    "tr",
    {},
    element("th", {}),
    ...tokens.map((token) => element("th", { scope: "col" }, token)),
  );
  const body = rows.map((row, query) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, tokens[query]),
      ...row.map((cell) => element("td", { class: cell ? "pg-selected" : "" }, cell ? "1" : "")),
    ),
  );
  return element(
    "figure",
    { class: "pg-selector" },
    element("figcaption", {}, name),
    element("table", {}, element("tbody", {}, heading, ...body)),
  );
}
