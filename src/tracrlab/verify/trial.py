"""Trying a model out: running it, its program and its claims on inputs.

What is not shown to follow from the program is tried here: by the interpreter, and by runs of the model in float64, in
which the contents of variables are as good as ideal. Values that occur must be claimed, and claimed to occur together;
what a head selects must be as many positions as its claim says, and of one value where it copies; and the answers of
the model, in its own format, must be those of the program.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.craft.claims import IMPOSSIBLE, HeadClaim, MLPClaim, NumberClaim, Quantity, ReadoutClaim, View
from tracrlab.craft.spaces import Variable
from tracrlab.errors import EvaluationError, VerificationError
from tracrlab.model.certificate import Counterexample, ProgramPart
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.weights import Weights
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.identity import merged_expressions
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.naming import naming_in_graph
from tracrlab.rasp.text import expression_text
from tracrlab.rasp.values import Value, is_finite_number, value_key
from tracrlab.shapes import Bool, Float, Int
from tracrlab.verify.search import Tokens, every_input, n_short, random_inputs

if TYPE_CHECKING:
    from tracrlab.model.artefact import Artefact

_ENTRIES = 2**22  # of residual streams that are held at once
_NEAR = 1e-6
_BATCH = 2**10
_GROWTH = 2  # a batch is at most so many times as large as the one before, so that the time it takes is foreseen


@dataclass(frozen=True)
class Effort:
    """How much is tried: at most ``inputs`` inputs, of which at most ``short`` are the shortest.

    It ends after ``seconds``, once ``pairs`` of positions have been looked at, or so many ``products`` of weights and
    activations are to be computed, whichever is given; the latter two do not depend on the machine.
    """

    inputs: int
    short: int
    seconds: float = np.inf
    pairs: float = np.inf
    products: float = np.inf


LONG = Effort(inputs=2**14, short=2**12, seconds=3.0)  # by verify: what a person who asks for it waits for
BRIEF = Effort(inputs=24, short=16, pairs=2**12, products=2**26)  # by compile: a few ms, as long as most models take


class _Contradicted(Exception):
    """Something that is claimed does not hold; ``args`` say of which variable, and what."""


@dataclass(frozen=True)
class Trial:
    """What was tried, in words and in number, whether that was all there is, and what was found to be wrong."""

    inputs: str
    n_inputs: int
    is_all: bool
    failures: tuple[ProgramPart, ...]
    counterexample: Counterexample | None


def tried(model: Artefact, program: SOp, effort: Effort, seed: int) -> Trial:
    """Hold a model and the claims about its variables against its program, on the shortest inputs and random ones.

    Raises:
        VerificationError: the program has no value on some input, so it is not the one that was compiled.
    """
    longest, count = n_short(model, min(effort.short, effort.inputs))
    is_all = longest == model.config.max_seq_len
    short = itertools.islice(every_input(model), count)
    drawn = random_inputs(model, longest + 1, random.Random(seed)) if not is_all else ()
    found = _Findings(model, program)
    n_short_run = found.run(short, effort)
    n_long = found.run(itertools.islice(drawn, effort.inputs - count), effort) if n_short_run == count else 0
    described = _described(longest, count, n_short_run, n_long)
    is_all = is_all and n_short_run == count
    failures = tuple(ProgramPart(name, "failed", reason) for name, reason in found.wrong.items())
    return Trial(described, n_short_run + n_long, is_all, failures, found.counterexample)


def _described(longest: int, count: int, n_short_run: int, n_long: int) -> str:
    if n_short_run < count:
        return f"the {n_short_run:,} shortest inputs"
    every = f"all {count:,} inputs of up to {longest} tokens" if count else ""
    return " and ".join(filter(None, [every, f"{n_long:,} random longer ones" if n_long else ""]))


class _Findings:
    """What was found so far to be wrong with a model, by variable, and an input on which it gives a wrong answer."""

    def __init__(self, model: Artefact, program: SOp) -> None:
        self.wrong: dict[str, str] = {}
        self.counterexample: Counterexample | None = None
        self._model, self._program = model, program
        self._precise = _in_double(model)
        self._sops = _sops_by_name(model, program)
        self._predicates: dict[tuple[int, Hashable, Hashable], bool] = {}
        self._start, self._pairs, self._products = time.monotonic(), 0, 0

    def run(self, inputs: Iterable[Tokens], effort: Effort) -> int:
        """Try inputs, as many as the effort allows; returns how many that were."""
        remaining, count = iter(inputs), 0
        most = max(1, _ENTRIES // _entries(self._model))
        size = most if effort.seconds == np.inf else 1
        while time.monotonic() - self._start <= effort.seconds:
            batch = list(itertools.islice(self._within(remaining, effort), size))
            if not batch:
                break
            self._try(batch)
            count += len(batch)
            size = min(_GROWTH * size, most)
        return count

    def _within(self, inputs: Iterator[Tokens], effort: Effort) -> Iterator[Tokens]:
        """The next inputs, until enough has been looked at and computed."""
        while self._pairs <= effort.pairs and self._products <= effort.products:
            tokens = next(inputs, None)
            if tokens is None:
                return
            self._pairs += len(tokens) ** 2
            self._products += self._model.config.n_params * (len(tokens) + 1)
            yield tokens

    def _try(self, batch: Sequence[Tokens]) -> None:
        model = self._model
        for tokens, answer in zip(batch, model.run_batch(batch), strict=True):
            evaluation = Evaluation(tokens, causal=model.config.causal, predicate_results=self._predicates)
            try:
                expected = evaluation.value(self._program)
                for name, reason in _wrong_values(model, self._sops, tokens, evaluation):
                    self.wrong.setdefault(name, reason)
            except EvaluationError as error:
                raise VerificationError(f"the program fails on inputs of the model: {error}") from error
            if self.counterexample is None and not all(map(_same, answer, expected)):
                self.counterexample = Counterexample(tuple(tokens), tuple(answer), tuple(expected))
        for name, reason in _wrong_meetings(self._precise, batch):
            self.wrong.setdefault(name, reason)


def contradiction(model: Artefact, program: SOp, inputs: Iterable[Tokens]) -> tuple[int, Counterexample | None]:
    """How many inputs were run, and the first on which the model does not say what the program says.

    Raises:
        VerificationError: the program has no value on some input, so it is not the one that was compiled.
    """
    count, remaining = 0, iter(inputs)
    shared: dict[tuple[int, Hashable, Hashable], bool] = {}
    while batch := list(itertools.islice(remaining, _BATCH)):
        count += len(batch)
        for tokens, answer in zip(batch, model.run_batch(batch), strict=True):
            try:
                expected = Evaluation(tokens, causal=model.config.causal, predicate_results=shared).value(program)
            except EvaluationError as error:
                raise VerificationError(f"the program fails on inputs of the model: {error}") from error
            if not all(map(_same, answer, expected)):
                return count, Counterexample(tuple(tokens), tuple(answer), tuple(expected))
    return count, None


def _same(one: Value, other: Value) -> bool:
    """Whether two answers are the same up to the type of a number, which scalars do not keep."""
    return bool(one == other) or value_key(one) == value_key(other)


def _entries(model: Artefact) -> int:
    """Of the residual streams of a run."""
    config = model.config
    return config.n_ctx * max(config.d_model * (2 * config.n_layers + 1), config.d_mlp, config.n_heads * config.n_ctx)


def _in_double(model: Artefact) -> Artefact:
    weights = Weights(**{name: array.astype(float) for name, array in model.weights.as_dict().items()})
    return replace(model, config=replace(model.config, dtype="float64"), weights=weights)


def _sops_by_name(model: Artefact, program: SOp) -> dict[str, SOp]:
    """The program's s-ops by the names that a faithful model gives them; none for a program of another text."""
    nodes, places = merged_expressions(program)
    expressions = [expression for expression, _ in nodes]
    naming = naming_in_graph(expressions, places)
    texts = [text for _, text, _ in model.program]
    if model.config.mode != "faithful" or [expression_text(each, naming=naming) for each in expressions] != texts:
        return {}
    names = [name for name, _, _ in model.program]
    return {name: each for name, each in zip(names, expressions, strict=True) if isinstance(each, SOp)}


def _wrong_values(
    model: Artefact, sops: Mapping[str, SOp], tokens: Tokens, evaluation: Evaluation
) -> Iterator[tuple[str, str]]:
    """The variables that some s-op's value is not claimed of, and which value."""
    for entry in model.labels.variables:
        if entry.is_value and entry.expression in sops:
            values = evaluation.value(sops[entry.expression])
            odd = [value for value in values if not _is_claimed(entry.variable, value)]
            if odd:
                yield entry.name, f"on {list(tokens)!r} it is {odd[0]!r}, which it is claimed never to be"


def _is_claimed(variable: Variable, value: Value) -> bool:
    """Whether a variable may hold a value; one that is the same number may stand for it, as 2 for 2.0 or 6/3."""
    if value is None:
        return variable.nullable
    if value_key(value) in variable.places:
        return True
    return is_finite_number(value) and bool((variable.numbers == float(value)).any())


@dataclass(frozen=True, eq=False)
class _Run:
    """A model on a batch: for each variable what it holds, after the sublayer that writes it, at all positions.

    ``tokens`` says which positions are tokens.
    """

    model: Artefact
    contents: Mapping[str, Float[np.ndarray, "batch position width"]]
    tokens: Bool[np.ndarray, "batch position"]

    def places(self, quantity: Quantity) -> Int[np.ndarray, "batch position"]:
        """Which value a quantity has at each token, 0 elsewhere.

        Raises:
            _Contradicted: it has none of them.
        """
        found = np.zeros(self.tokens.shape, int)
        if not quantity.contents:
            return found
        table = np.concatenate([np.asarray(rows, float) for rows in quantity.contents.values()], axis=1)
        held = np.concatenate([self.contents[name][self.tokens] for name in quantity.contents], axis=1)
        distinct, which = np.unique(held, axis=0, return_inverse=True)
        nearest, distance = _nearest(table, distinct)
        rows = np.unique(table, axis=0)
        room = _room(rows)
        if (distance > room).any():
            number = int((distance - room).argmax())
            raise _Contradicted(
                f"it meets contents of {', '.join(quantity.contents)} that are none of those claimed: "
                f"{np.round(distinct[number], 4).tolist()}"
            )
        found[self.tokens] = nearest[which.reshape(-1)]
        return found


def _nearest(
    table: Float[np.ndarray, "row width"], held: Float[np.ndarray, "case width"]
) -> tuple[Int[np.ndarray, " case"], Float[np.ndarray, " case"]]:
    """The nearest row of a table, and how far it is in any dimension."""
    nearest = np.zeros(len(held), int)
    if not len(table):
        return nearest, np.full(len(held), np.inf)
    table, held = table - table[0], held - table[0]  # squares of what stands beside a ground leave nothing of the rest
    step = max(1, _ENTRIES // max(1, len(table)))
    for start in range(0, len(held), step):
        own = held[start : start + step]
        nearest[start : start + step] = ((table**2).sum(axis=1) - 2 * own @ table.T).argmin(axis=1)
    return nearest, np.abs(held - table[nearest]).max(axis=1, initial=0)


def _room(rows: Float[np.ndarray, "row width"]) -> float:
    """Half of the least distance between two different rows, in the dimension in which they differ most."""
    if len(rows) < 2 or not rows.shape[1]:
        return 0.5
    if rows.shape[1] == 1:
        return float(np.diff(rows[:, 0]).min()) / 2
    if len(rows) ** 2 * rows.shape[1] > _ENTRIES:
        return 0.5
    apart = np.abs(rows[:, None, :] - rows[None, :, :]).max(axis=2)
    return float(apart[~np.eye(len(rows), dtype=bool)].min()) / 2


def _wrong_meetings(model: Artefact, batch: Sequence[Tokens]) -> Iterator[tuple[str, str]]:
    """The variables whose components meet something that is not claimed, and what."""
    assert model.claims is not None
    ids = model.encode(batch)
    activations = forward_with_activations(model.config, model.weights, ids)
    contents = {
        entry.name: activations.residuals[entry.sublayer + 1][:, :, entry.dimensions]
        for entry in model.labels.variables
    }
    tokens = (ids != model.config.pad_id) & (np.arange(ids.shape[1]) > 0)
    run = _Run(model, contents, tokens)
    readout = [(model.output_name, model.claims.readout)] if model.claims.readout else []
    for name, claim in [*((claim.writes, claim) for claim in model.claims.components), *readout]:
        try:
            _check(run, claim)
        except _Contradicted as found:
            yield name, str(found)


def _check(run: _Run, claim: MLPClaim | NumberClaim | HeadClaim | ReadoutClaim) -> None:
    match claim:
        case NumberClaim():
            number = sum(run.contents[name] @ factors for name, factors in claim.reads)
            numbers = np.append(claim.numbers, 0.0) if claim.present else claim.numbers
            _, distance = _nearest(numbers[:, None], np.unique(np.asarray(number)[run.tokens])[:, None])
            if (distance > _room(np.unique(numbers)[:, None])).any():
                raise _Contradicted("it meets a number that is none of those claimed")
        case HeadClaim():
            _check_head(run, claim)
        case _:
            _seen(claim.view, claim.quantities, run)


def _seen(view: View, quantities: Sequence[Quantity], run: _Run) -> Int[np.ndarray, "batch position"]:
    """What a view gives at each token; whatever values quantities have of which nothing is read.

    Raises:
        _Contradicted: the values are claimed not to occur together.
    """
    unread = [axis for axis, number in enumerate(view.quantities) if not quantities[number].contents]
    places = view.places.max(axis=tuple(unread), initial=IMPOSSIBLE)
    index = tuple(run.places(quantities[number]) for number in view.quantities if quantities[number].contents)
    found = places[index] if index else np.broadcast_to(places, run.tokens.shape)
    if (found[run.tokens] == IMPOSSIBLE).any():
        raise _Contradicted("it meets values that are claimed not to occur together")
    result: np.ndarray = np.where(run.tokens, found, 0)
    return result


def _check_head(run: _Run, claim: HeadClaim) -> None:
    length = run.tokens.shape[1]
    pairs = run.tokens[:, :, None] & run.tokens[:, None, :]
    selected = pairs & np.tril(np.ones((length, length), bool)) if run.model.config.causal else pairs
    for predicate in claim.predicates:
        asked, given = _seen(predicate.query, claim.queries, run), _seen(predicate.key, claim.keys, run)
        selected = selected & predicate.matrix[asked[:, :, None], given[:, None, :]]
    counts = selected.sum(axis=2)[run.tokens]
    if counts.max(initial=0) > claim.longest:
        raise _Contradicted(f"it selects {counts.max()} positions, and is claimed to select {claim.longest} at most")
    if claim.never_empty and not counts.all():
        raise _Contradicted("it selects nothing, and is claimed always to select something")
    read = claim.results[_seen(claim.value, claim.values, run)]
    if claim.kind == "copy":
        rows = np.where(selected[..., None], read[:, None, :, :], np.nan)
        some = rows[selected.any(axis=2)]
        if (np.nanmax(some, axis=1) - np.nanmin(some, axis=1) > _NEAR).any():
            raise _Contradicted("it selects different values at once, and is claimed to copy one")
