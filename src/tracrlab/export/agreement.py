"""Whether an exported model answers as the compiled one does, on random inputs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from tracrlab.model.artefact import Artefact
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.readout import ClassReadout, Readout
from tracrlab.rasp.values import Value, value_key
from tracrlab.shapes import Float, Int

Logits = Callable[[Int[np.ndarray, "batch position"]], Float[np.ndarray, "batch position output"]]


def random_inputs(model: Artefact, n_inputs: int, seed: int = 0) -> list[list[Value]]:
    """Random inputs of all lengths, the longest among them."""
    rng, longest = random.Random(seed), model.config.max_seq_len
    lengths = [longest, *(rng.randint(0, longest) for _ in range(n_inputs - 1))]
    return [rng.choices(model.config.vocab, k=length) for length in lengths]


def n_disagreements(model: Artefact, readout: Readout, logits: Logits, inputs: Sequence[Sequence[Value]]) -> int:
    """On how many of the inputs, run as one batch, the answers in these logits are not those of ``model``."""
    ids = model.encode(inputs)
    answers = readout.decode(np.asarray(logits(ids)), ids)
    return sum(
        list(map(value_key, found)) != list(map(value_key, expected))
        for found, expected in zip(answers, model.run_batch(inputs), strict=True)
    )


def share_of_lead(model: Artefact, readout: ClassReadout, logits: Logits, inputs: Sequence[Sequence[Value]]) -> float:
    """How much of the lead of the right class is left in these logits, at the worst of all answers to the inputs.

    It is 1 where logits are those of ``model`` itself, run with NumPy, and below 0 where an answer is wrong.
    """
    ids = model.encode(inputs)
    answered = (ids != model.config.pad_id) & (ids != model.config.bos_id)
    if len(readout.classes) == 1 or not answered.any():
        return 1.0
    residual = forward_with_activations(model.config, model.weights, ids).residuals[-1][answered]
    own = residual @ readout.W_U + readout.b_U
    right = own.argmax(axis=1)
    return float((_leads(np.asarray(logits(ids))[answered], right) / _leads(own, right)).min())


def _leads(
    logits: Float[np.ndarray, "answer class"], right: Int[np.ndarray, " answer"]
) -> Float[np.ndarray, " answer"]:
    """How far the logit of the right class is above the largest other one."""
    is_right = np.eye(logits.shape[1], dtype=bool)[right]
    leads: np.ndarray = logits[is_right] - np.where(is_right, -np.inf, logits).max(axis=1)
    return leads
