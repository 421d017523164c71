"""Planted faults: single weights changed at random, and whether the verifier notices those that change some answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Literal

import numpy as np

import tracrlab
from tracrlab import CompiledModel
from tracrlab.craft.formats import Dtype
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.values import Value
from tracrlab.verify.search import every_input, random_inputs


@dataclass(frozen=True)
class Mutation:
    """A weight that was changed: its array and place, and the numbers before and after."""

    array: str
    place: tuple[int, ...]
    before: float
    after: float


@dataclass(frozen=True)
class Tally:
    """How many mutations of a model were harmful, which of them verification missed, and what it made of the others."""

    harmful: int
    missed: tuple[Mutation, ...]
    harmless: int
    rejected: int

    @property
    def caught(self) -> int:
        """How many harmful mutations were noticed."""
        return self.harmful - len(self.missed)


def small_model(name: str, mode: Literal["faithful", "compact"], dtype: Dtype = "float32") -> CompiledModel:
    """A library program compiled for three tokens and inputs of up to four."""
    program = PROGRAMS[name]
    return tracrlab.compile(program.build(), program.example_vocab[:3], 4, mode=mode, dtype=dtype, prove=False)


def every_input_of(model: CompiledModel) -> list[tuple[Value, ...]]:
    """All inputs of a small model."""
    config = model.config
    return [tokens for n in range(1, config.max_seq_len + 1) for tokens in product(config.vocab, repeat=n)]


def some_inputs_of(model: CompiledModel, count: int) -> list[Sequence[Value]]:
    """The shortest inputs, and then random ones of any length, in all ``count`` at most."""
    shortest = list(islice(every_input(model), count // 2))
    return [*shortest, *islice(random_inputs(model, 1, random.Random(0)), count - len(shortest))]


def mutated(model: CompiledModel, rng: np.random.Generator) -> tuple[CompiledModel, Mutation]:
    """The model with one weight changed: something added, multiplied or its sign turned; zero weights too."""
    arrays = model.weights.as_dict()
    name = str(rng.choice(list(arrays)))
    array = arrays[name].copy()
    used = np.argwhere(array)
    among_used = len(used) > 0 and rng.random() < 0.6
    chosen = used[rng.integers(len(used))] if among_used else [rng.integers(size) for size in array.shape]
    place = tuple(map(int, chosen))
    amount = float(10 ** rng.uniform(-3, 1))
    before = float(array[place])
    after = rng.choice([before + amount, before - amount, before * (1 + amount), before / (1 + amount), -before])
    array[place] = model.config.number_format.rounded(np.array([after]))[0]
    weights = replace(model.weights, **{name: array})
    return replace(model, weights=weights), Mutation(name, place, before, float(array[place]))


def tally_of(model: CompiledModel, count: int, seed: int) -> Tally:
    """What becomes of ``count`` mutations of a certified model; harmful ones change the answer to some input."""
    rng = np.random.default_rng(seed)
    inputs = every_input_of(model)
    answers = model.run_batch(inputs)
    harmful = harmless = rejected = 0
    missed = []
    for _ in range(count):
        broken, mutation = mutated(model, rng)
        with np.errstate(all="ignore"):
            differs = broken.run_batch(inputs) != answers
        holds = broken.verify().holds
        harmful += differs
        harmless += not differs
        rejected += not (differs or holds)
        if differs and holds:
            missed.append(mutation)
    return Tally(harmful, tuple(missed), harmless, rejected)


def certified_models(names: Sequence[str], dtype: Dtype) -> list[tuple[str, str, CompiledModel]]:
    """The small models of both modes that verification certifies, with their names and modes."""
    modes: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")
    models = [(name, mode, small_model(name, mode, dtype)) for name in names for mode in modes]
    return [(name, mode, model) for name, mode, model in models if model.verify().holds]
