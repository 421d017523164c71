"""The decompiler: from a model to a RASP program that is equal on all inputs, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Literal

import numpy as np

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.decompile.building import Program, built
from tracrlab.decompile.certificate import Certificate, lower_bound
from tracrlab.decompile.network import Network
from tracrlab.decompile.reading import read
from tracrlab.errors import DecompileError, EvaluationError, InputError, NotPrintableError
from tracrlab.facade import CompiledModel, compile, load
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.batches import Batch, Coded, every_input
from tracrlab.rasp.expressions import Length, SOp
from tracrlab.rasp.text import expression_text
from tracrlab.rasp.textual.printer import program_text
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.values import value_key
from tracrlab.shapes import Bool, Int

TOLERANCES = (1e-4, 1e-6, 1e-2, 1e-1, 1e-9)  # of the spread of a variable; equality decides which is right
MOST_INPUTS = 200_000  # all are run if there are no more, which takes seconds
_SAMPLE = 1_500  # inputs that a program is made from where there are more
_FRESH = 4_000  # inputs that it is tried on
_ROUNDS = 6  # of making, trying, and adding the counterexamples


@dataclass(frozen=True)
class FoundVariable:
    """A variable of the program: its ``name``, its expression as ``text``, the ``values`` it takes, and ``places``.

    ``places`` are the parts of the model that write it, such as ``a0.h1`` or ``m0.n3-5``.
    """

    name: str
    text: str
    n_values: int
    places: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Decompilation:
    """What became of a model.

    Attributes: ``program`` the s-op that was found, ``None`` if none was; ``certificate`` on which inputs it equals the
    model; ``variables`` that it computes, and where in the model they are; ``unexplained`` the parts that stopped the
    decompiler, with reasons, if there is no program; ``network`` what was read.
    """

    program: SOp | None
    certificate: Certificate
    variables: tuple[FoundVariable, ...]
    unexplained: tuple[tuple[str, str], ...]
    network: Network

    @property
    def text(self) -> str:
        """The program in textual RASP; if that has no form for it, as an expression.

        Raises:
            DecompileError: there is no program.
        """
        program = self._found()
        try:
            return program_text(program)
        except NotPrintableError:
            return f"{expression_text(program)}\n"

    def rasp_text(self) -> str:
        """The program in textual RASP as a file holds it, with a running example of the model's tokens.

        Raises:
            NotPrintableError: textual RASP has no form for an expression of the program.
            DecompileError: there is no program.
        """
        program, config = self._found(), self.network.config
        try:
            return program_text(program, example=list(config.vocab[: config.max_seq_len]))
        except InputError:  # tokens that cannot be written
            return program_text(program)

    def compiled_again(self, mode: Literal["faithful", "compact"] | None = None) -> CompiledModel:
        """The model that the program compiles to, for the same inputs; in the mode of the first one unless told.

        Raises:
            CompileError: it cannot be compiled: on values that never occur together it may not be defined.
            DecompileError: there is no program.
        """
        config = self.network.config
        chosen = mode or ("compact" if config.mode == "compact" else "faithful")
        options = {"causal": config.causal, "bos": config.bos, "pad": config.pad, "mode": chosen, "prove": False}
        return compile(self._found(), config.vocab, config.max_seq_len, **options)  # type: ignore[call-overload,no-any-return]

    def _found(self) -> SOp:
        if self.program is None:
            place, reason = self.unexplained[0]
            raise DecompileError(f"no program was found: {place}: {reason}")
        return self.program


def decompile(model: Artefact | str | PathLike[str], *, most_inputs: int = MOST_INPUTS, seed: int = 0) -> Decompilation:
    """The RASP program that a model computes, found in its weights.

    Labels, claims and the recorded program are not looked at. Where there are at most ``most_inputs`` inputs all of
    them are run, and a program is returned only if it is equal on all. Where there are more the program is made from
    some, tried on others, and made again with those on which it was wrong; the certificate then says *unproved*.

    Arguments:
        model: a compiled model, or the folder of one.
        most_inputs: how many inputs may be run at once.
        seed: of random inputs.

    Raises:
        DecompileError: it is not a compiled model, or its weights are not finite or do not fit its configuration.
        ModelFileError: the folder cannot be read.
    """
    if not isinstance(model, Artefact):
        model = load(model)
    if isinstance(model, CompressedModel):
        raise DecompileError(
            "a compressed model is approximate, and what it computes need not be a program; decompile its original"
        )
    network = Network.of(model)
    config = network.config
    n_inputs = sum(len(config.vocab) ** length for length in range(1, config.max_seq_len + 1))
    if n_inputs <= most_inputs:
        return _from_all_inputs(network)
    return _from_samples(network, np.random.default_rng(seed))


def _from_all_inputs(network: Network) -> Decompilation:
    config = network.config
    codes = every_input(len(config.vocab), config.max_seq_len)
    batch = Batch(config.vocab, codes, causal=config.causal)
    answers = network.answers(codes)
    size = len(config.vocab), 1, config.max_seq_len
    unexplained: tuple[tuple[str, str], ...] = ()
    for found in _attempts(network, batch, answers):
        if isinstance(found, Program):
            return Decompilation(
                found.answer,
                Certificate("all inputs", *size, len(codes), len(codes), 1.0),
                _variables(found, batch),
                (),
                network,
            )
        unexplained = unexplained or found
    return Decompilation(None, Certificate("none", *size), (), unexplained, network)


def _attempts(network: Network, batch: Batch, answers: Coded) -> Iterator[Program | tuple[tuple[str, str], ...]]:
    """Programs that are equal on the batch, or what stopped each tolerance."""
    for tolerance in TOLERANCES:
        reading = read(network, batch, answers, tolerance)
        if reading.answer is None:
            yield tuple(reading.unexplained)
            continue
        program = built(reading, batch, answers)
        if equal_inputs(batch.value(program.answer), answers, batch.inside).all():
            yield program
        else:
            yield (("unembed", "the program that was found differs from the model"),)


def _from_samples(network: Network, rng: np.random.Generator) -> Decompilation:
    """A program from random inputs, with those added on which it is wrong; tried at last on fresh ones."""
    config = network.config
    size = len(config.vocab), 1, config.max_seq_len
    codes = _random_inputs(network, _SAMPLE, rng)
    unexplained: tuple[tuple[str, str], ...] = ()
    best: Decompilation | None = None
    for _ in range(_ROUNDS):
        batch = Batch(config.vocab, codes, causal=config.causal)
        program = None
        for found in _attempts(network, batch, network.answers(codes)):
            if isinstance(found, Program):
                program = found
                break
            unexplained = unexplained or found
        if program is None:
            break
        fresh = _random_inputs(network, _FRESH, rng)
        is_equal = _on_fresh(network, program.answer, fresh)
        n_equal = int(is_equal.sum())
        certificate = Certificate("tested", *size, len(fresh), n_equal, lower_bound(n_equal, len(fresh)))
        found_now = Decompilation(program.answer, certificate, _variables(program, batch), (), network)
        if best is None or n_equal >= best.certificate.n_equal:
            best = found_now
        if n_equal == len(fresh):
            return found_now
        codes = np.concatenate([codes, fresh[~is_equal]])
    return best or Decompilation(None, Certificate("none", *size), (), unexplained, network)


def _on_fresh(network: Network, program: SOp, codes: Int[np.ndarray, "input position"]) -> Bool[np.ndarray, " input"]:
    """On which inputs a program has the model's answers; one that is not defined has none."""
    config = network.config
    answers = network.answers(codes)
    try:
        batch = Batch(config.vocab, codes, causal=config.causal)
        return equal_inputs(batch.value(program), answers, batch.inside)
    except EvaluationError:  # one by one, to know which
        is_equal = np.zeros(len(codes), bool)
        for row in range(len(codes)):
            own = Batch(config.vocab, codes[row : row + 1], causal=config.causal)
            try:
                row_answers = Coded(answers.values, answers.codes[row : row + 1])
                is_equal[row] = equal_inputs(own.value(program), row_answers, own.inside)[0]
            except EvaluationError:
                continue
        return is_equal


def _random_inputs(network: Network, n: int, rng: np.random.Generator) -> Int[np.ndarray, "input position"]:
    """Random inputs of all lengths; half of them draw from few tokens, so that tokens repeat."""
    config = network.config
    n_tokens, length = len(config.vocab), config.max_seq_len
    codes = rng.integers(n_tokens, size=(n, length))
    few = rng.integers(1, min(n_tokens, 4) + 1, size=n)
    palettes = rng.permuted(np.tile(np.arange(n_tokens), (n, 1)), axis=1)
    repeated = palettes[np.arange(n)[:, None], rng.integers(1 << 30, size=(n, length)) % few[:, None]]
    codes = np.where(rng.random(n)[:, None] < 0.5, codes, repeated)
    codes[np.arange(length)[None, :] >= rng.integers(1, length + 1, size=n)[:, None]] = -1
    return codes


def equal_inputs(first: Coded, second: Coded, inside: Bool[np.ndarray, "input position"]) -> Bool[np.ndarray, " input"]:
    """Which inputs have the same values, types and all, at every position."""
    number = {value_key(value): place for place, value in enumerate(first.values)}
    own = np.array([number.get(value_key(value), -1) for value in second.values])
    same: np.ndarray = ((own[second.codes] == first.codes) | ~inside).all(axis=1)
    return same


def _variables(program: Program, batch: Batch) -> tuple[FoundVariable, ...]:
    """The variables of which the program is made, sources left out."""
    needed = {id(node) for node in children_first(program.answer)}
    found, seen = [], set[int]()
    for node, sop in program.expressions:
        if id(sop) not in needed or id(sop) in seen or (not sop.children and not isinstance(sop, Length)):
            continue
        seen.add(id(sop))
        coded = batch.value(sop)
        size = len(np.unique(coded.codes[batch.inside]))
        text = expression_text(sop)
        found.append(FoundVariable(sop.name or text, text, size, tuple(dict.fromkeys(node.places))))
    return tuple(found)
