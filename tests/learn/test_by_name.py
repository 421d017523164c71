"""Interventions by name mean the same in PyTorch as in NumPy."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

import tracrlab
from tests.library_models import MODELS, library_inputs, library_model
from tracrlab.craft.spaces import OneOf
from tracrlab.learn.by_name import by_name
from tracrlab.learn.patching import activations, run
from tracrlab.learn.places import variable
from tracrlab.model.intervene import Instead, Patch, Steer
from tracrlab.model.labels import ModelVariable
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks

# in compact mode, values that contradict others leave numbers between answers, to be rounded either way
FIRM = [each for each in MODELS if each[1] == "faithful" or each[0] in ("hist", "hist2", "reverse", "sort_unique")]


@pytest.mark.parametrize(("name", "mode", "causal"), FIRM)
def test_answers_are_those_in_numpy(name: str, mode: Any, causal: bool) -> None:
    """Where an expression has the value that it has on another input, and where nothing is changed."""
    model, rng = library_model(name, mode, causal), random.Random(f"{name} {mode} {causal}")
    inputs = [each for each in library_inputs(name) if len(each) == 3]
    module = model.to_torch(logits="raw")
    for each in model.labels.variables:
        batch, other = rng.choices(inputs, k=4), rng.choice(inputs)
        intervened = model.intervene({each.name: {1: Patch(other)}})
        ids = module.encode(batch)
        found = run(module, ids, by_name(intervened, batch))
        assert module.decode(found, ids) == intervened.run_batch(batch)


def some_change(of: ModelVariable, inputs: list[list[str]], rng: random.Random) -> Instead:
    """A value, nothing, what is there on another input, or something more."""
    value = rng.choice(of.variable.values or (None,))
    value = value.values[0] if isinstance(value, OneOf) else value
    longest = max(inputs, key=len)
    return rng.choice([value, None, Patch(longest), Patch(longest[::-1]), Steer(value, rng.choice([1.0, -1.0]))])


@pytest.mark.parametrize("name", ["frac_prevs", "hist", "reverse", "dyck_ptf", "sort"])
def test_activations_are_those_in_numpy(name: str) -> None:
    """Whatever is changed, everywhere or at one token, several things at once."""
    program, rng = PROGRAMS[name], random.Random(name)
    model = tracrlab.compile(program.build(), program.vocabulary(3), 4, dtype="float64")
    inputs = [rng.choices(model.config.vocab, k=length) for length in (1, 2, 3, 4) for _ in range(3)]
    module = model.to_torch(logits="raw")
    sites = {each: variable(model.labels, each.name) for each in model.labels.variables}
    for _ in range(10):
        batch, changed = rng.sample(inputs, 4), rng.sample(model.labels.variables, k=3)
        instead: dict[str, Any] = {each.name: some_change(each, inputs, rng) for each in changed}
        instead = {each: value if rng.random() < 0.5 else {0: value} for each, value in instead.items()}
        intervened, ids = model.intervene(instead), module.encode(batch)
        found = activations(module, ids, sites.values(), by_name(intervened, batch))
        for row, tokens in enumerate(batch):
            steps = intervened.trace(tokens).steps
            for each, site in sites.items():
                wanted = torch.as_tensor(steps[each.sublayer + 1].residual[:, each.dimensions])
                torch.testing.assert_close(found[site][row, : len(tokens) + 1].detach(), wanted, rtol=1e-6, atol=1e-6)
