// The graph of expressions, drawn from what is read to what reads it.

import { element, panel } from "../element.js";

const HEIGHT = 22; // of a box, as in graph.py
const LONGEST = 16; // characters of a name

export function graphPanel(model, state) {
  const { nodes, edges, width, height } = model.graph;
  const boxes = new Map(nodes.map((node) => [node.expression, node]));
  const lines = edges.map(([from, to]) => {
    const [source, target] = [boxes.get(from), boxes.get(to)];
    const [x, y] = [source.x + source.width / 2, source.y + HEIGHT];
    const [u, v] = [target.x + target.width / 2, target.y];
    const bend = (v - y) / 2;
    return element("path", {
      class: "tl-edge",
      d: `M${x} ${y}C${x} ${y + bend} ${u} ${v - bend} ${u} ${v}`,
      "data-from": `e${from}`,
      "data-to": `e${to}`,
    });
  });
  const drawn = nodes.map((node) => {
    const { name, text } = model.expressions[node.expression];
    const item = `e${node.expression}`;
    const choose = () => state.select(item);
    return element(
      "g",
      {
        class: `tl-node${node.is_selector ? " tl-selector" : ""}`,
        transform: `translate(${node.x} ${node.y})`,
        role: "button",
        tabindex: 0,
        "data-item": item,
        "aria-label": `${node.is_selector ? "selector" : "s-op"} ${name}`,
        onclick: choose,
        onkeydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          choose();
        },
      },
      element("title", {}, name === text ? name : `${name} = ${text}`),
      element("rect", { width: node.width, height: HEIGHT, rx: node.is_selector ? 11 : 4 }),
      element(
        "text",
        { x: node.width / 2, y: HEIGHT / 2 },
        name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name,
      ),
    );
  });
  const margin = 6;
  const box = `${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`;
  const drawing = element(
    "svg",
    {
      viewBox: box,
      width: width + 2 * margin,
      height: height + 2 * margin,
      role: "group",
      "aria-label": "Expressions",
    },
    ...lines,
    ...drawn,
  );
  const fit = element(
    "button",
    {
      type: "button",
      class: "tl-small",
      "aria-pressed": "false",
      onclick: () => {
        const on = drawing.classList.toggle("tl-fit");
        fit.setAttribute("aria-pressed", String(on));
      },
    },
    "fit",
  );
  const scroll = element("div", { class: "tl-scroll tl-canvas" }, drawing);
  requestAnimationFrame(() => (scroll.scrollLeft = (scroll.scrollWidth - scroll.clientWidth) / 2));
  return panel("graph", "Expressions", [fit], scroll);
}
