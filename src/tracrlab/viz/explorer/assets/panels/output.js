// The answer at each token; beside an answer that interventions changed, what it was.

import { valueText } from "../decoding.js";
import { element } from "../element.js";
import { movedFocus } from "../keyboard.js";

export function outputPanel(model, state) {
  const strip = element("div", {
    class: "tl-strip",
    role: "group",
    "aria-label": "Tokens and answers",
    onkeydown: movedFocus,
  });
  state.on("run", () => {
    const wanted = state.ids.length;
    while (strip.children.length > wanted) strip.lastChild.remove();
    while (strip.children.length < wanted) strip.append(chip(state, strip.children.length));
    if (!strip.querySelector("[tabindex='0']")) strip.firstChild?.setAttribute("tabindex", 0);
    state.answers.forEach((place, position) => {
      const [, token, answer, before] = strip.children[position].children;
      const changed = place !== state.untouched[position];
      token.textContent = model.vocab[state.ids[position]];
      answer.textContent = valueText(model.output, place);
      before.textContent = changed ? valueText(model.output, state.untouched[position]) : "";
      strip.children[position].classList.toggle("tl-changed", changed);
      strip.children[position].setAttribute(
        "aria-label",
        `position ${position}: ${token.textContent} gives ${answer.textContent}${changed ? `, not ${before.textContent}` : ""}`,
      );
    });
  });
  const name = element("span", { class: "tl-answer-name", title: model.name }, model.name);
  return element("div", { class: "tl-output" }, name, strip);
}

function chip(state, position) {
  return element(
    "button",
    {
      class: "tl-chip",
      type: "button",
      "data-position": position,
      tabindex: position ? -1 : 0,
      onclick: () => state.select(null, state.position === position ? null : position),
    },
    element("span", { class: "tl-index" }, String(position)),
    element("span", { class: "tl-token" }),
    element("span", { class: "tl-answer" }),
    element("s", { class: "tl-before" }),
  );
}
