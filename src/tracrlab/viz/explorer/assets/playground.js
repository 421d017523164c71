// The playground's page: a program is checked while it is typed, and compiled when asked for.

import { element } from "./element.js";
import { showExplorer } from "./explorer.js";
import { createEditor } from "./playground/editor.js";
import { showExampleValues } from "./playground/values.js";

const PAUSE = 250; // milliseconds without typing before the program is checked
const settings = JSON.parse(document.getElementById("settings").textContent);

async function ask(path, question) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", [settings.header]: settings.token },
      body: JSON.stringify(question),
    });
    return await response.json();
  } catch {
    return { problem: { message: "the playground has stopped: start it again with tracrlab playground" } };
  }
}

// Several words, or else characters.
function tokensOf(text) {
  const words = text.split(/[\s,]+/).filter(Boolean);
  return words.length > 1 ? words : [...(words[0] ?? "")];
}

const problem = element("button", { type: "button", id: "pg-problem", class: "pg-problem", role: "status" });
const warnings = element("ul", { class: "pg-warnings" });
const values = element("div", { class: "tl-scroll pg-results" });
const example = field("example", "hello");
const vocabulary = field("vocabulary", "", "from example");
const length = element("input", {
  type: "number",
  min: 1,
  max: 64,
  value: 10,
  "aria-label": "length",
  class: "pg-number",
});
const name = field("s-op", "", "the last one");
const mode = element(
  "select",
  { "aria-label": "mode" },
  element("option", {}, "faithful"),
  element("option", {}, "compact"),
);
const causal = element("input", { type: "checkbox" });
const compileButton = element(
  "button",
  { type: "button", class: "pg-compile", title: "Ctrl+Enter", onclick: compile },
  "compile",
);
const explorer = element("section", { class: "pg-explorer", "aria-label": "Explorer" });
const editor = createEditor(settings.source, checkSoon);

function field(label, value, placeholder = "") {
  const input = element("input", {
    type: "text",
    value,
    placeholder,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-label": label,
    oninput: () => checkSoon(),
  });
  input.labelled = element("label", { class: "pg-field" }, label, input);
  return input;
}

let place = null;
problem.addEventListener("click", () => place?.line && editor.go(place));

function tell(found, good) {
  place = found ?? null;
  const where = found?.line ? `line ${found.line}${found.column ? `, column ${found.column}` : ""}: ` : "";
  problem.textContent = found ? where + found.message : good;
  problem.classList.toggle("tl-error", Boolean(found));
  editor.mark(found);
}

let timer = 0;
let latest = 0;
function checkSoon() {
  clearTimeout(timer);
  latest++;
  timer = setTimeout(check, PAUSE);
}

async function check() {
  const own = ++latest;
  const answer = await ask("/check", { source: editor.area.value, example: tokensOf(example.value) });
  if (own !== latest) return; // something else has been typed
  showAnswer(answer, "no mistakes");
}

function showAnswer(answer, good) {
  tell(answer.problem, good);
  warnings.replaceChildren(...(answer.warnings ?? []).map((text) => element("li", {}, text)));
  if (answer.values) showExampleValues(values, answer.values);
}

async function compile() {
  compileButton.disabled = true;
  latest++;
  clearTimeout(timer);
  problem.textContent = "compiling …";
  const tokens = tokensOf(example.value);
  const answer = await ask("/compile", {
    source: editor.area.value,
    example: tokens,
    program: name.value.trim(),
    vocabulary: vocabulary.value.trim() ? tokensOf(vocabulary.value) : [...new Set(tokens)],
    length: Math.trunc(Number(length.value)),
    mode: mode.value,
    causal: causal.checked,
  });
  compileButton.disabled = false;
  showAnswer(answer, "compiled");
  if (!answer.payload) return;
  // The explorer hangs its listeners on the element it is shown in, so each model gets a fresh one.
  const root = element("div");
  explorer.replaceChildren(root);
  globalThis.tracrlab = await showExplorer(root, answer.payload);
  explorer.scrollIntoView({ block: "start" });
}

const options = element(
  "div",
  { class: "pg-options" },
  example.labelled,
  vocabulary.labelled,
  element("label", { class: "pg-field" }, "length", length),
  name.labelled,
  element("label", { class: "pg-field" }, "mode", mode),
  element("label", { class: "pg-field" }, causal, "causal"),
  compileButton,
);
const bench = element(
  "div",
  { class: "tl-root pg-root" },
  element(
    "div",
    { class: "pg-bench" },
    element("h1", {}, "Tracr Lab playground"),
    options,
    editor.box,
    values,
    element("div", { class: "pg-told" }, problem, warnings),
  ),
);
document.getElementById("playground").replaceChildren(bench, explorer);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) compile();
});
check();
