// The forward pass, as in model/forward.py, with interventions. It computes in float64: the answers of a compiled model
// are exact in the number format of its weights and in wider ones.

import { dense, product } from "./packing.js";
import { codeOf } from "./decoding.js";

export const NO_INTERVENTIONS = { heads: new Set(), neurons: new Set(), patches: new Map() };

// What happens on these token ids. Position 0 of everything is BOS.
// residuals: after the embedding and every sublayer; patterns[layer][head] and hidden[layer]: what made them; shown: the
// residual streams in which variables have their dimensions, which a compressed model reads through its matrices.
export function forward(model, ids, interventions = NO_INTERVENTIONS) {
  const { config, matrices } = model;
  const n = ids.length + 1;
  let residual = patched(model, embedded(model, ids), -1, interventions);
  const run = { n, residuals: [residual], patterns: [], hidden: [], logits: null };
  for (let layer = 0; layer < config.nLayers; layer++) {
    const patterns = [];
    const written = new Float64Array(n * config.dModel);
    for (let head = 0; head < config.nHeads; head++) {
      const pattern = attentionPattern(model, residual, n, layer, head);
      patterns.push(pattern);
      if (interventions.heads.has(`${layer}.${head}`)) continue;
      const values = product(residual, n, matrices.get(`W_V.${layer}.${head}`), config.dHead);
      const mixed = weightedSums(pattern, values, n, config.dHead);
      add(written, product(mixed, n, matrices.get(`W_O.${layer}.${head}`), config.dModel));
    }
    run.patterns.push(patterns);
    residual = patched(model, sum(residual, written), 2 * layer, interventions);
    run.residuals.push(residual);

    const hidden = product(residual, n, matrices.get(`W_in.${layer}`), config.dMlp);
    for (let index = 0; index < hidden.length; index++) if (hidden[index] < 0) hidden[index] = 0;
    for (const neuron of ablatedNeurons(interventions, layer)) {
      for (let p = 0; p < n; p++) hidden[p * config.dMlp + neuron] = 0;
    }
    run.hidden.push(hidden);
    const output = product(hidden, n, matrices.get(`W_out.${layer}`), config.dModel);
    residual = patched(model, sum(residual, output), 2 * layer + 1, interventions);
    run.residuals.push(residual);
  }
  run.logits = product(residual, n, matrices.get("W_U"), config.dVocabOut);
  run.shown = model.readers
    ? run.residuals.map((each, index) => product(each, n, matrices.get(`read.${model.readers[index]}`), config.dRead))
    : run.residuals;
  return run;
}

// What the page of the reduced view has recorded, in the form of a forward pass.
export function recorded(model, ids) {
  const { config, matrices } = model;
  const n = ids.length + 1;
  const residuals = [];
  for (const last of new Set(model.variables.map((variable) => variable.last)))
    residuals[last] = dense(matrices.get(`residual.${last}`), n, config.dRead);
  const patterns = [];
  for (let layer = 0; layer < config.nLayers; layer++) {
    patterns.push(
      Array.from({ length: config.nHeads }, (_, head) => dense(matrices.get(`pattern.${layer}.${head}`), n, n)),
    );
  }
  return {
    n,
    residuals,
    shown: residuals,
    patterns,
    hidden: null,
    logits: dense(matrices.get("logits"), n, config.dVocabOut),
  };
}

function embedded({ config, matrices }, ids) {
  const all = [config.bosId, ...ids];
  const d = config.dModel;
  const residual = new Float64Array(all.length * d);
  const addRows = (matrix, rowAt) => {
    matrix?.entries.forEach((entry, index) => {
      all.forEach((id, p) => {
        if (matrix.row[index] === rowAt(id, p)) residual[p * d + matrix.column[index]] += entry;
      });
    });
  };
  addRows(matrices.get("W_E"), (id) => id);
  addRows(matrices.get("W_pos"), (_, p) => p);
  return residual;
}

function attentionPattern({ config, matrices }, residual, n, layer, head) {
  const d = config.dHead;
  const queries = nonzeros(product(residual, n, matrices.get(`W_Q.${layer}.${head}`), d), n, d);
  const keys = transposed(product(residual, n, matrices.get(`W_K.${layer}.${head}`), d), n, d);
  const pattern = new Float64Array(n * n);
  const scale = Math.sqrt(d);
  for (let q = 0; q < n; q++) {
    const visible = config.causal ? q + 1 : n;
    const row = pattern.subarray(q * n, q * n + visible);
    for (let i = queries.starts[q]; i < queries.starts[q + 1]; i++) {
      const entry = queries.entries[i];
      for (let k = 0, at = queries.columns[i] * n; k < visible; k++, at++) row[k] += entry * keys[at];
    }
    let largest = -Infinity;
    for (let k = 0; k < visible; k++) largest = Math.max(largest, (row[k] /= scale));
    let total = 0;
    for (let k = 0; k < visible; k++) total += row[k] = Math.exp(row[k] - largest);
    for (let k = 0; k < visible; k++) row[k] /= total;
  }
  return pattern;
}

function weightedSums(pattern, vectors, n, d) {
  const mixed = new Float64Array(n * d);
  const values = nonzeros(vectors, n, d);
  for (let q = 0; q < n; q++) {
    for (let k = 0; k < n; k++) {
      const weight = pattern[q * n + k];
      for (let i = values.starts[k]; i < values.starts[k + 1]; i++)
        mixed[q * d + values.columns[i]] += weight * values.entries[i];
    }
  }
  return mixed;
}

// The entries of n vectors that are not zero, which are few: those of vector p from starts[p] to before starts[p + 1].
function nonzeros(vectors, n, d) {
  const starts = new Uint32Array(n + 1);
  const columns = [];
  const entries = [];
  for (let p = 0; p < n; p++) {
    for (let j = 0; j < d; j++) {
      if (vectors[p * d + j] === 0) continue;
      columns.push(j);
      entries.push(vectors[p * d + j]);
    }
    starts[p + 1] = columns.length;
  }
  return { starts, columns, entries };
}

// The residual stream with the values that are patched into variables which this sublayer computes.
function patched({ config, variables }, residual, sublayer, { patches }) {
  for (const { variable, position, place } of patches.values()) {
    const { sublayer: own, start, decoding, dimensions } = variables[variable];
    const at = (position + 1) * config.dModel + start;
    if (own === sublayer && at < residual.length) residual.set(codeOf(decoding, place, dimensions.length), at);
  }
  return residual;
}

function ablatedNeurons({ neurons }, layer) {
  return [...neurons]
    .map((key) => key.split(".").map(Number))
    .filter(([own]) => own === layer)
    .map(([, neuron]) => neuron);
}

function transposed(vectors, n, d) {
  const result = new Float64Array(n * d);
  for (let p = 0; p < n; p++) for (let j = 0; j < d; j++) result[j * n + p] = vectors[p * d + j];
  return result;
}

function sum(residual, written) {
  const result = residual.slice();
  add(result, written);
  return result;
}

function add(total, part) {
  for (let index = 0; index < part.length; index++) total[index] += part[index];
}
