"""Models of the program library, compiled once in each mode, and inputs for them, shared by several folders."""

from __future__ import annotations

import random
from functools import cache
from typing import Literal

import tracrlab
from tests.oracles import SMALL_VOCABS, every_input, random_input
from tracrlab import CompiledModel
from tracrlab.rasp.library import PROGRAMS

LENGTH, N_INPUTS = 5, 200
MODELS = [
    (name, mode, causal)
    for name, program in PROGRAMS.items()
    for mode in ("faithful", "compact")
    for causal in ((False, True) if program.causal_safe else (False,))
]


@cache
def library_model(name: str, mode: Literal["faithful", "compact"], causal: bool, grounds: bool = True) -> CompiledModel:
    """The model of a library program over a small vocabulary."""
    return tracrlab.compile(
        PROGRAMS[name].build(), SMALL_VOCABS[name], LENGTH, mode=mode, causal=causal, grounds=grounds, prove=False
    )


@cache
def library_inputs(name: str) -> list[list[str]]:
    """All inputs, where they are few; otherwise random ones of all lengths."""
    vocab, rng = SMALL_VOCABS[name], random.Random(name)
    if len(vocab) ** LENGTH <= N_INPUTS:
        return list(every_input(vocab, LENGTH))
    return [random_input(name, vocab, rng.randint(0, LENGTH), rng) for _ in range(N_INPUTS)]
