// Where the input is typed.

import { element } from "../element.js";
import { typedText } from "../reading.js";

export function tokensPanel(model, state) {
  const message = element("p", { class: "tl-message", role: "status" });
  const input = element("input", {
    class: "tl-input",
    type: "text",
    "aria-label": "Input tokens",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    disabled: model.reduced,
    oninput: () => state.type(input.value),
  });
  input.value = typedText(model.tokens, model);
  const hint = model.reduced
    ? "Reduced view: what the model does on this input, without its weights"
    : `up to ${model.config.maxSeqLen} of ${model.vocab.slice(0, 24).join(" ")}${model.vocab.length > 24 ? " …" : ""}`;
  state.on("run", () => {
    message.textContent = state.error || hint;
    message.classList.toggle("tl-error", Boolean(state.error));
    input.setAttribute("aria-invalid", String(Boolean(state.error)));
  });
  return element("div", { class: "tl-tokens" }, element("label", { class: "tl-label" }, "input", input), message);
}
