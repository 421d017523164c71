// The one state of an explorer: the input, what is selected and pointed at, the interventions, and the run they give.
// Listeners hear "run" when values change, "selection" and "hover".

import { answerPlace, decodedPlace } from "./decoding.js";
import { forward, recorded } from "./forward.js";
import { typedTokens } from "./reading.js";

export function createState(model) {
  const listeners = { run: [], selection: [], hover: [] };
  const state = {
    ids: model.tokens,
    error: "",
    item: `e${model.expressions.length - 1}`,
    position: null,
    hovered: { item: null, position: null },
    view: "values",
    interventions: { heads: new Set(), neurons: new Set(), patches: new Map() },
    run: null,
    answers: [],
    untouched: [], // the answers without interventions

    on(events, listener) {
      for (const event of events.split(" ")) listeners[event].push(listener);
    },
    type(text) {
      const { ids, error } = typedTokens(text, model);
      state.error = error ?? "";
      if (ids) {
        state.ids = ids;
        if (state.position >= ids.length) state.position = null;
      }
      compute();
    },
    select(item, position = state.position) {
      state.item = item ?? state.item;
      state.position = position;
      notify("selection");
    },
    hover(item, position = null) {
      if (state.hovered.item === item && state.hovered.position === position) return;
      state.hovered = { item, position };
      notify("hover");
    },
    show(view) {
      state.view = view;
      notify("run");
    },
    ablateHead({ layer, head }, on) {
      switchKey(state.interventions.heads, `${layer}.${head}`, on);
      compute();
    },
    ablateNeurons(layer, start, stop, on) {
      for (let neuron = start; neuron < stop; neuron++)
        switchKey(state.interventions.neurons, `${layer}.${neuron}`, on);
      compute();
    },
    patch(variable, position, place) {
      const { patches } = state.interventions;
      if (place === null) patches.delete(`${variable}.${position}`);
      else patches.set(`${variable}.${position}`, { variable, position, place });
      compute();
    },
    reset() {
      for (const each of Object.values(state.interventions)) each.clear();
      compute();
    },
    get intervened() {
      return Object.values(state.interventions).some((each) => each.size);
    },
    // The place of a variable's value at a token.
    place(variable, position) {
      const { decoding, start, dimensions, last } = model.variables[variable];
      const at = (position + 1) * model.config.dRead + start;
      return decodedPlace(decoding, state.run.shown[last], at, dimensions.length);
    },
  };

  function compute() {
    const run = model.reduced ? recorded(model, state.ids) : forward(model, state.ids, state.interventions);
    state.run = run;
    state.answers = answersOf(model, run);
    state.untouched = state.intervened ? answersOf(model, forward(model, state.ids)) : state.answers;
    notify("run");
  }

  function notify(event) {
    for (const listener of listeners[event]) listener();
  }

  compute();
  return state;
}

export function answersOf({ output, config }, { logits, n }) {
  const width = config.dVocabOut;
  return Array.from({ length: n - 1 }, (_, p) => answerPlace(output, logits, (p + 1) * width, width));
}

function switchKey(keys, key, on) {
  if (on) keys.add(key);
  else keys.delete(key);
}
