"""An adversary of certificates: forward passes whose sums are taken in orders that nobody would choose.

A certificate says that rounding changes no answer, in whatever order sums are computed, with or without fused
multiply-add. ``python -m benchmarks.adversary`` runs certified models with every sum in shuffled, reversed, pairwise
and blocked order, each operation rounded to the model's format, on random inputs and on those that a search finds to be
worst. It uses nothing of the proof. (``benchmarks.export_agreement`` runs other libraries.)
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import tracrlab
from tracrlab import CompiledModel, rasp
from tracrlab.errors import TracrLabError
from tracrlab.model.readout import decode_output
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles import random_input

Added = Callable[[Float[np.ndarray, "... term"]], Float[np.ndarray, "..."]]


def one_by_one(terms: Float[np.ndarray, "... term"]) -> Float[np.ndarray, "..."]:
    """From the first term on."""
    total = np.zeros(terms.shape[:-1], terms.dtype)
    for place in range(terms.shape[-1]):
        total = total + terms[..., place]
    return total


def backwards(terms: Float[np.ndarray, "... term"]) -> Float[np.ndarray, "..."]:
    """From the last term on."""
    return one_by_one(terms[..., ::-1])


def pairwise(terms: Float[np.ndarray, "... term"]) -> Float[np.ndarray, "..."]:
    """Neighbours, then sums of neighbours, and so on."""
    while terms.shape[-1] > 1:
        even = terms.shape[-1] // 2 * 2
        terms = np.concatenate([terms[..., 0:even:2] + terms[..., 1:even:2], terms[..., even:]], axis=-1)
    return terms[..., 0] if terms.shape[-1] else np.zeros(terms.shape[:-1], terms.dtype)


def in_blocks(terms: Float[np.ndarray, "... term"], size: int = 7) -> Float[np.ndarray, "..."]:
    """Blocks of an odd size one by one, then their sums."""
    blocks = [one_by_one(terms[..., start : start + size]) for start in range(0, terms.shape[-1], size)]
    return one_by_one(np.stack([*blocks, np.zeros(terms.shape[:-1], terms.dtype)], axis=-1))


def shuffled(seed: int) -> Added:
    """One by one in a random order, the same for all sums of as many terms."""

    def add(terms: Float[np.ndarray, "... term"]) -> Float[np.ndarray, "..."]:
        return one_by_one(terms[..., np.random.default_rng(seed).permutation(terms.shape[-1])])

    return add


ORDERS: dict[str, Added] = {
    "forwards": one_by_one,
    "backwards": backwards,
    "pairwise": pairwise,
    "in blocks": in_blocks,
    "shuffled": shuffled(0),
    "shuffled again": shuffled(1),
}


@dataclass(frozen=True)
class Arithmetic:
    """How sums of products are computed: the order, and whether products are ``fused`` with the sums, unrounded."""

    order: str
    fused: bool

    def product(
        self, left: Float[np.ndarray, "row inner"], right: Float[np.ndarray, "inner column"]
    ) -> Float[np.ndarray, "row column"]:
        """A matrix product in the arrays' format."""
        if self.fused:
            return self._fused(left, right)
        return ORDERS[self.order](left[:, None, :] * right.T[None, :, :])

    def _fused(
        self, left: Float[np.ndarray, "row inner"], right: Float[np.ndarray, "inner column"]
    ) -> Float[np.ndarray, "row column"]:
        """One fused multiply-add after the other: a product of two single numbers is exact in double precision.

        The sum is rounded twice, to double and to single precision, which once in 2**29 is not as good as once.
        """
        places = np.arange(left.shape[1])
        if self.order == "backwards":
            places = places[::-1]
        elif self.order.startswith("shuffled"):
            places = np.random.default_rng(len(self.order)).permutation(len(places))
        total = np.zeros((len(left), right.shape[1]), left.dtype)
        for place in places.tolist():
            exact = left[:, [place]].astype(float) * right[[place]].astype(float)
            total = (exact + total.astype(float)).astype(left.dtype)
        return total

    def total(self, terms: Float[np.ndarray, "... term"]) -> Float[np.ndarray, "..."]:
        """A sum."""
        return ORDERS[self.order](terms)


def logits(model: CompiledModel, tokens: Sequence[Value], how: Arithmetic, dtype: str) -> Float[np.ndarray, "_ _"]:
    """What the unembedding gives at each token, computed so, in the format of that name."""
    config = model.config
    weights = {name: array.astype(dtype) for name, array in model.weights.as_dict().items()}
    ids = np.array([config.bos_id, *(config.vocab.index(token) for token in tokens)])
    residual = weights["W_E"][ids] + weights["W_pos"][: len(ids)]
    later = np.triu(np.ones((len(ids), len(ids)), bool), 1) & config.causal
    for layer in range(config.n_layers):
        written = []
        for head in range(config.n_heads):
            queries, keys, values = (
                how.product(residual, weights[name][layer, head]) for name in ("W_Q", "W_K", "W_V")
            )
            scores = how.product(queries, np.ascontiguousarray(keys.T)) / np.sqrt(config.d_head).astype(dtype)
            scores = np.where(later, -np.inf, scores).astype(dtype)
            powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
            pattern = powers / how.total(powers)[:, None]
            written.append(how.product(how.product(pattern, values), weights["W_O"][layer, head]))
        residual = residual + how.total(np.stack(written, axis=-1))
        active = np.maximum(how.product(residual, weights["W_in"][layer]), 0)
        residual = residual + how.product(active, weights["W_out"][layer])
    return how.product(residual, weights["W_U"])[1:]


ARITHMETICS = [Arithmetic(order, fused=False) for order in ORDERS] + [
    Arithmetic(order, fused=True) for order in ("forwards", "backwards", "shuffled")
]
_EXACT = Arithmetic("pairwise", fused=False)


def worst_inputs(model: CompiledModel, start: Sequence[Sequence[Value]], rounds: int, seed: int) -> list[list[Value]]:
    """Inputs on which rounding moves the answer most, found by changing a token or the length of the worst so far."""
    rng, config = random.Random(seed), model.config

    def moved(tokens: Sequence[Value]) -> float:
        exact = logits(model, tokens, _EXACT, "float64")
        how = ARITHMETICS[rng.randrange(len(ARITHMETICS))]
        return float(np.abs(logits(model, tokens, how, config.dtype) - exact).max(initial=0.0))

    ranked = sorted(((moved(tokens), number, list(tokens)) for number, tokens in enumerate(start)), reverse=True)
    for number in range(rounds):
        _, _, best = ranked[number % min(4, len(ranked))]
        changed = list(best)
        if len(changed) < config.max_seq_len and rng.random() < 0.3:
            changed.append(rng.choice(config.vocab))
        else:
            changed[rng.randrange(len(changed))] = rng.choice(config.vocab)
        ranked.append((moved(changed), len(start) + number, changed))
        ranked.sort(reverse=True)
    return [tokens for _, _, tokens in ranked[: len(start)]]


@dataclass(frozen=True)
class Outcome:
    """On how many inputs a model was run, how often in all, and on which something else than its program came out."""

    inputs: int
    runs: int
    wrong: list[tuple[list[Value], str]]


def attack(name: str, model: CompiledModel, n_inputs: int, *, rounds: int, seed: int = 0) -> Outcome:
    """Run a certified model of a library program in all these ways on random and on worst inputs."""
    rng, config = random.Random(seed), model.config
    program = PROGRAMS[name].build()
    drawn = [
        list(
            random_input(name, config.vocab, rng.choice((config.max_seq_len, rng.randint(1, config.max_seq_len))), rng)
        )
        for _ in range(n_inputs)
    ]
    inputs = [*drawn, *worst_inputs(model, drawn, rounds, seed)]
    wanted = rasp.evaluate_batch(program, inputs, causal=config.causal)
    wrong, runs = [], 0
    for tokens, answer in zip(inputs, wanted, strict=True):
        for how in ARITHMETICS:
            runs += 1
            if decode_output(model.output, logits(model, tokens, how, config.dtype)) != answer:
                wrong.append((tokens, str(how)))
    return Outcome(len(inputs), runs, wrong)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", help="of the library; default: all")
    parser.add_argument("--length", type=int, default=20, help="tokens of the longest input (20)")
    parser.add_argument("--inputs", type=int, default=10, help="random inputs, and as many of the worst (10)")
    parser.add_argument("--rounds", type=int, default=40, help="steps of the search for the worst (40)")
    parser.add_argument("--modes", nargs="+", choices=("faithful", "compact"), default=["faithful", "compact"])
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table("program", "mode", "certified", "inputs", "runs", "answers changed", title="Adversarial arithmetic")
    total = 0
    for name in options.programs or PROGRAMS:
        for mode in options.modes:
            try:
                model = tracrlab.compile(
                    PROGRAMS[name].build(), PROGRAMS[name].example_vocab, options.length, mode=mode, prove=False
                )
            except TracrLabError as error:
                table.add_row(name, mode, type(error).__name__)
                continue
            outcome = attack(name, model, options.inputs, rounds=options.rounds)
            total += len(outcome.wrong)
            certified = "yes" if model.verify().holds else "no"
            table.add_row(name, mode, certified, str(outcome.inputs), str(outcome.runs), str(len(outcome.wrong)))
    console.print(table)
    console.print(f"{total} answers changed")
    sys.exit(bool(total))


if __name__ == "__main__":
    main()
