// Light or dark: what the reader's system says, until the button is pressed.

import { element } from "./element.js";

export function themeButton(root, changed) {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (query.matches ? "dark" : "light")) === "dark";
  const button = element("button", { type: "button", class: "tl-small", "aria-label": "dark or light" }, "◐");
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    changed();
  });
  query.addEventListener("change", changed);
  return button;
}
