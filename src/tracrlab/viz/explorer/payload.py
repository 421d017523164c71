"""A compiled model as the data of a page: weights, labels, program, graph, and how values are decoded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tracrlab.craft.spaces import Layout, Variable
from tracrlab.errors import DrawingError
from tracrlab.model.artefact import Artefact
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.labels import ModelVariable
from tracrlab.model.parts import Part, head_parts, neuron_parts, unembedding_part
from tracrlab.model.sublayers import sublayers
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.text import constant_text
from tracrlab.rasp.textual.display import element_text
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float
from tracrlab.viz.explorer.graph import graph_drawing
from tracrlab.viz.explorer.packing import packed_matrices
from tracrlab.viz.explorer.source import SourceFile, source_lines
from tracrlab.viz.program_graph import Inputs

LARGEST_PAYLOAD = 1_500_000  # characters

Matrices = dict[str, Float[np.ndarray, "row column"]]


def explorer_payload(
    model: Artefact,
    tokens: Sequence[Value],
    *,
    program: SOp | None = None,
    source: SourceFile | None = None,
    reduced: bool = False,
) -> str:
    """The data of the explorer's page, as JSON.

    Arguments:
        model: what is explored.
        tokens: the input that is shown first.
        program: what the model was compiled from; with it the graph shows the selectors, too.
        source: the textual program that built it; without one, each expression is a line.
        reduced: leave out the weights and keep what the model does on ``tokens``, the only input that the page shows.

    Raises:
        InputError: a token is not in the vocabulary, there are too many, or ``program`` is another one.
        DrawingError: the data are more than ``LARGEST_PAYLOAD`` characters.
    """
    matrices = _recording(model, tokens) if reduced else _weight_matrices(model)
    structure, read_out = model.labelled, model.read_out
    heads = list(head_parts(structure.weights, structure.labels))
    neurons = [part for part in neuron_parts(structure.weights, structure.labels) if not part.clears]
    answer = replace(unembedding_part(structure.weights, structure.labels), expression=structure.program[-1][0])
    data = {
        "reduced": reduced,
        "name": model.output_name,
        "config": _config(model) | {"dRead": structure.config.d_model},
        "readers": None if read_out is None or reduced else read_out.places,
        "vocab": [_token_text(token) for token in model.config.vocab],
        "tokens": model.encode([tokens])[0, 1:].tolist(),
        "weights": packed_matrices(matrices, model.config.number_format.accumulator).as_json(),
        "variables": [
            {
                "name": variable.name,
                "start": variable.start,
                "sublayer": variable.sublayer,
                "last": _last_stream(model, variable),
                "expression": variable.expression,
                "isValue": variable.is_value,
                "dimensions": [str(dimension) for dimension in variable.variable.dimensions],
                "decoding": _decoding(variable.variable),
            }
            for variable in model.labels.variables
        ],
        "output": _decoding(model.output),
        "sublayers": list(map(str, sublayers(model.config.n_layers))),
        "heads": list(map(_head_json, heads)),
        "neurons": list(map(_neurons_json, neurons)),
        "expressions": [{"name": name, "text": text, "location": place} for name, text, place in model.program],
        "source": [asdict(line) for line in source_lines(model, source)],
        "sourceName": source.name if source else "",
        "graph": asdict(graph_drawing(model, _reads(model, [*heads, *neurons, answer]), program)),
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    if len(text) > LARGEST_PAYLOAD:
        remedy = "Explore a smaller model" if reduced else "Ask for the reduced view, which shows one input"
        raise DrawingError(
            f"the model is too large for the explorer: {len(text):,} characters of data, and {LARGEST_PAYLOAD:,} "
            f"is the most. {remedy}, compile in compact mode, or with a smaller vocabulary or length"
        )
    return text


def _config(model: Artefact) -> dict[str, Any]:
    c = model.config
    return {
        "nLayers": c.n_layers,
        "dModel": c.d_model,
        "nHeads": c.n_heads,
        "dHead": c.d_head,
        "dMlp": c.d_mlp,
        "dVocabOut": c.d_vocab_out,
        "maxSeqLen": c.max_seq_len,
        "bosId": c.bos_id,
        "causal": c.causal,
        "dtype": c.dtype,
        "mode": c.mode,
    }


# Matrices ------------------------------------------------------------------------------------------------------------


def _weight_matrices(model: Artefact) -> Matrices:
    """The weights, by names such as ``W_Q.0.1`` for head 1 of layer 0."""
    w = model.weights
    matrices = {"W_E": w.W_E, "W_pos": w.W_pos, "W_U": w.W_U}
    for layer in range(model.config.n_layers):
        for head in range(model.config.n_heads):
            for name in ("W_Q", "W_K", "W_V", "W_O"):
                matrices[f"{name}.{layer}.{head}"] = getattr(w, name)[layer, head]
        for name in ("W_in", "W_out"):
            matrices[f"{name}.{layer}"] = getattr(w, name)[layer]
    if model.read_out is not None:
        matrices |= {f"read.{number}": matrix.T for number, matrix in enumerate(model.read_out.matrices)}
    return matrices


def _recording(model: Artefact, tokens: Sequence[Value]) -> Matrices:
    """What the model does on one input: the residual streams in which variables are read, and the patterns."""
    activations = forward_with_activations(model.config, model.weights, model.encode([tokens]))
    steps, read = model.trace(tokens).steps, {_last_stream(model, variable) for variable in model.labels.variables}
    matrices = {f"residual.{number}": steps[number].residual for number in sorted(read)}
    matrices["logits"] = activations.logits[0]
    for layer, patterns in enumerate(activations.patterns):
        for head in range(len(model.labels.heads[layer])):
            matrices[f"pattern.{layer}.{head}"] = patterns[0, head]
    return matrices


def _last_stream(model: Artefact, variable: ModelVariable) -> int:
    """The last residual stream that holds a variable: 0 after the embedding, and then one after each sublayer."""
    return 2 * model.config.n_layers if variable.cleared is None else int(variable.cleared)


# Values --------------------------------------------------------------------------------------------------------------


def _decoding(variable: Variable) -> dict[str, Any]:
    """How a stored vector is decoded to a place in ``values``, the texts of the values."""
    decoding: dict[str, Any] = {
        "layout": variable.layout.value,
        "values": [_value_text(value) for value in variable.values],
        "nullable": variable.nullable,
    }
    if variable.layout is Layout.SCALAR:
        decoding["numbers"] = variable.numbers.tolist()
    if variable.codes is not None:
        decoding["codes"] = variable.codes.tolist()
    return decoding


def _value_text(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, str) and (not value.strip() or not value.isprintable()):
        return repr(value)
    if isinstance(value, float) and 0 < abs(value) < 0.001:
        return f"{value:.3g}"  # three places would show nothing
    return constant_text(value) if type(value) is int else element_text(value)


def _token_text(token: Value) -> str:
    """How a token is typed."""
    return constant_text(token) if type(token) is int else str(token)


# Parts ---------------------------------------------------------------------------------------------------------------


def _head_json(part: Part) -> dict[str, Any]:
    reads = {kind: [each.name for each in own] for kind, own in part.reads.items()}
    place = {"layer": part.sublayer.layer, "head": part.places.start}
    return place | {"writes": part.writes, "expression": part.expression} | reads


def _neurons_json(part: Part) -> dict[str, Any]:
    place = {"layer": part.sublayer.layer, "start": part.places.start, "stop": part.places.stop}
    return place | {"writes": part.writes, "expression": part.expression, "reads": [e.name for e in part.sources]}


def _reads(model: Artefact, parts: Sequence[Part]) -> Inputs:
    """What each expression's parts read of other expressions, by place in ``model.program``."""
    place = {name: number for number, (name, _, _) in enumerate(model.program)}
    inputs: dict[int, dict[int, None]] = {}
    for part in parts:
        target = place[part.expression]
        for variable in part.sources:
            source = place.get(variable.expression)
            if source is not None and source < target:
                inputs.setdefault(target, {})[source] = None
    return {target: tuple(sources) for target, sources in sorted(inputs.items())}
