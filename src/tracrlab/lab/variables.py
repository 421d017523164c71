"""What is true of the variables of a program in a subject: where each is held, whether it is used, and its directions.

The residual stream is seen after the embedding and after each sublayer. A variable that has dimensions of its own is
held from where it is written to the end, whether anybody still reads it or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tracrlab.facade import CompiledModel
from tracrlab.lab.inputs import Inputs, answered, drawn_sources
from tracrlab.lab.subjects.subject import Subject
from tracrlab.lab.truth import Directions, VariableTruth
from tracrlab.learn.interventions import Resample
from tracrlab.learn.patching import run_each
from tracrlab.learn.places import Site, Subspace, residual_path
from tracrlab.model.artefact import Artefact
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.labels import ModelVariable
from tracrlab.model.sublayers import Sublayer, sublayers
from tracrlab.rasp.values import value_key
from tracrlab.shapes import Bool

N_ROWS = 512  # inputs on which it is tried whether a variable is used; a use on 1 % of them is missed once in 150 times
N_RUNS = 16  # logits of as many runs are kept at once


def program_variables(model: Artefact) -> tuple[ModelVariable, ...]:
    """The variables that hold values of the program's expressions."""
    return tuple(each for each in model.labels.variables if each.is_value and each.variable.width)


def subspace(made: Subject, variable: ModelVariable, path: str) -> Subspace:
    """What a variable's dimensions span at a place of a subject's residual stream."""
    return Subspace(Site(path), torch.as_tensor(made.frame[variable.dimensions].T.copy()))


def variable_truths(model: CompiledModel, inputs: Inputs, seed: int) -> dict[tuple[str, str], VariableTruth]:
    """For each variable of the program and place of the residual stream, whether it is held there, and used after it.

    It is used if an answer of the compiled model changes where it has its value on another input, at another position:
    of 512 inputs, if there are more. Between two places nothing changes unless what is between them reads it, so this
    is tried once for each reader, just before it.
    """
    places, variables = sublayers(model.config.n_layers), program_variables(model)
    reading = _reading(model)
    readers = {
        (each.name, place): next(
            (to for to, read in reading.items() if to > place and read[each.dimensions].any()), None
        )
        for each in variables
        for place in places
        if each.stands_after(place)
    }
    tried = dict.fromkeys((name, reader) for (name, _), reader in readers.items() if reader is not None)
    used = _used(model, list(tried), inputs, np.random.default_rng(seed))
    return {
        (each.name, residual_path(place)): VariableTruth(
            (each.name, place) in readers, (each.name, readers.get((each.name, place))) in used
        )
        for each in variables
        for place in places
    }


def _reading(model: CompiledModel) -> dict[Sublayer, Bool[np.ndarray, " D"]]:
    """Which dimensions each sublayer, and at the end the unembedding, reads."""
    weights, reading = model.weights, {}
    for layer in range(model.config.n_layers):
        heads = [getattr(weights, name)[layer].any(axis=(0, 2)) for name in ("W_Q", "W_K", "W_V")]
        reading[Sublayer.attention(layer)] = np.any(heads, axis=0)
        reading[Sublayer.mlp(layer)] = weights.W_in[layer].any(axis=1)
    return reading | {Sublayer.end(model.config.n_layers): weights.W_U.any(axis=1)}


def _used(
    model: CompiledModel, tried: Sequence[tuple[str, Sublayer]], inputs: Inputs, rng: np.random.Generator
) -> set[tuple[str, Sublayer | None]]:
    """Of variables just before sublayers, those of which another value there changes an answer."""
    module = model.to_torch()
    own = inputs.chosen(np.sort(rng.permutation(len(inputs))[:N_ROWS]))
    sources = drawn_sources(own.lengths, own.lengths, "resample_lengths", own.ids.shape[1], rng)
    other = Resample(own.tensor[torch.as_tensor(sources.rows)], taken=torch.as_tensor(sources.taken))
    edits = [{_site(model, name, before): other} for name, before in tried]
    used, counted = set[tuple[str, Sublayer | None]](), answered(own.config, own.tensor)
    with torch.no_grad():
        before = module(own.tensor).argmax(dim=-1)
        for start in range(0, len(edits), N_RUNS):
            after = run_each(module, own.tensor, edits[start : start + N_RUNS]).argmax(dim=-1)
            changed = ((after != before) & counted).flatten(1).any(dim=1)
            used |= {own for own, each in zip(tried[start:], changed.tolist(), strict=False) if each}
    return used


def _site(model: CompiledModel, name: str, reader: Sublayer) -> Site:
    own = model.labels.variable(name).dimensions
    return Site(residual_path(reader.before), dimensions=range(own.start, own.stop))


def site_directions(made: Subject) -> Directions:
    """The directions of the values of one-hot variables, and of numbers, at the end of the residual stream."""
    end = Sublayer(Sublayer.end(made.model.config.n_layers) - 1)
    rows, names = [], []
    for each in program_variables(made.model):
        if each.stands_after(end):
            own = made.frame[each.dimensions]
            rows.append(own)
            names += [each.name] * len(own)
    vectors = np.concatenate(rows) if rows else np.zeros((0, made.frame.shape[1]))
    return Directions(residual_path(end), vectors, tuple(names))


def values_of(model: Artefact, name: str, ids: Tensor) -> Tensor:
    """The number, in its domain, of the value that a variable of a compiled model has, [b, p]; −1 where it has none.

    Raises:
        KeyError: there is no such variable.
    """
    found = model.labels.variable(name)
    numbers = {value_key(value): number for number, value in enumerate(found.variable.values)}
    residuals = forward_with_activations(model.config, model.weights, ids.cpu().numpy()).residuals[found.sublayer + 1]
    counted = answered(model.config, ids)
    flat = found.decode(residuals.reshape(-1, residuals.shape[-1]))
    decoded = torch.tensor([numbers.get(value_key(value), -1) for value in flat]).reshape(ids.shape)
    return torch.where(counted.cpu(), decoded, -1)
