// What belongs together. An item is a source line (s4), an expression (e3), a head (h2), a group of neurons (n5) or a
// variable (v7), each by its place in its list.

export function linksOf({ source, expressions, heads, neurons, variables, graph }) {
  const placeOf = new Map(expressions.map(({ name }, place) => [name, place]));
  const links = new Map();
  const link = (one, other) => {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ]) {
      if (!links.has(from)) links.set(from, new Set([from]));
      links.get(from).add(to);
    }
  };
  expressions.forEach((_, place) => link(`e${place}`, `e${place}`));
  source.forEach((line, index) => line.expressions.forEach((place) => link(`s${index}`, `e${place}`)));

  const writers = new Map();
  const addPart = (part, item) => {
    link(item, `e${placeOf.get(part.expression)}`);
    writers.set(part.writes, [...(writers.get(part.writes) ?? []), item]);
  };
  heads.forEach((head, index) => addPart(head, `h${index}`));
  neurons.forEach((group, index) => addPart(group, `n${index}`));
  variables.forEach(({ name, expression }, index) => {
    for (const item of writers.get(name) ?? []) link(`v${index}`, item);
    if (placeOf.has(expression)) link(`v${index}`, `e${placeOf.get(expression)}`);
    else link(`v${index}`, `v${index}`);
  });

  // A selector has no part of its own: the heads of what reads it compute it.
  const selectors = new Set(graph.nodes.filter((node) => node.is_selector).map((node) => node.expression));
  const readers = (place) =>
    graph.edges.flatMap(([from, to]) => (from !== place ? [] : selectors.has(to) ? readers(to) : [to]));
  for (const selector of selectors) {
    for (const reader of new Set(readers(selector))) {
      heads.forEach((head, index) => {
        if (placeOf.get(head.expression) === reader) link(`e${selector}`, `h${index}`);
      });
    }
  }

  // The lines of what computes or is held by something are its lines, and the other way round.
  const linesOf = (items) =>
    [...items].flatMap((item) => [...(links.get(item) ?? [])].filter((each) => each[0] === "s"));
  for (const [item, own] of links)
    if (item[0] !== "s" && item[0] !== "e") linesOf(ofKind(own, "e")).forEach((line) => own.add(line));
  for (const [item, own] of links)
    if (item[0] === "s") for (const place of ofKind(own, "e")) links.get(place).forEach((each) => own.add(each));
  return links;
}

// The items of one kind among several.
export function ofKind(items, kind) {
  return [...items].filter((item) => item[0] === kind);
}

// The place of an item in its list.
export function placeOfItem(item) {
  return Number(item.slice(1));
}
