// An element of HTML or SVG with its attributes, listeners (onclick and the like) and children.

const SVG_TAGS = new Set(["svg", "g", "path", "rect", "text", "title"]);

export function element(tag, attributes = {}, ...children) {
  const made = SVG_TAGS.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A part of the page with a heading, and controls beside it.
export function panel(name, title, controls, ...children) {
  const id = `tl-${name}-${Math.random().toString(36).slice(2)}`;
  const heading = element("header", { class: "tl-heading" }, element("h2", { id }, title), ...controls);
  return element("section", { class: `tl-panel tl-${name}`, "aria-labelledby": id }, heading, ...children);
}
