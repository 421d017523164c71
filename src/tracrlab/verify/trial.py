"""Trying out what the proof takes for granted: the compiler's analysis of the program, on inputs.

A proof shows that weights do what is claimed. That the claims speak of all values and combinations that occur is the
compiler's analysis, and is checked here without it: by the interpreter, and by runs of the model in float64, in which
the contents of variables are as good as ideal.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.craft.claims import IMPOSSIBLE, HeadClaim, MLPClaim, NumberClaim, Quantity, ReadoutClaim, View
from tracrlab.craft.spaces import Layout, Variable
from tracrlab.errors import EvaluationError, VerificationError
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.weights import Weights
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.identity import merged_expressions
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.naming import naming_in_graph
from tracrlab.rasp.text import expression_text
from tracrlab.rasp.values import Value, is_finite_number, value_key
from tracrlab.shapes import Bool, Float, Int
from tracrlab.verify.certificate import ComponentProof
from tracrlab.verify.search import every_input, watched

if TYPE_CHECKING:
    from tracrlab.model.artefact import Artefact

_SHORT, _LONG = 2000, 200  # inputs that are tried: all up to a length, and longer ones at random
_ENTRIES = 2**22  # of residual streams that are held at once
_WORK = 2**26  # of them in all
_NEAR = 1e-6

Tokens = Sequence[Value]


class _Contradicted(Exception):
    """Something that is claimed does not hold; ``args`` say of which variable, and what."""


@dataclass(frozen=True)
class Trial:
    """What was tried, in words, and what was found to be wrong."""

    inputs: str
    failures: tuple[ComponentProof, ...]


def tried(model: Artefact, program: SOp) -> Trial:
    """Hold the claims about a model's variables against what its program and the model itself do on inputs.

    Every value that the interpreter finds for an s-op of a faithful model must be one that its variable can hold. At
    each component, the values that meet must be claimed, and claimed to occur together; what a head selects must be as
    many positions as its claim says, and of one value where it copies.

    Raises:
        VerificationError: the program has no value on some input, so it is not the one that was compiled.
    """
    inputs, described = trial_inputs(model)
    precise = _in_double(model)
    sops = _sops_by_name(model, program)
    size = max(1, _ENTRIES // _entries(model))
    failures: dict[str, ComponentProof] = {}
    starts = range(0, len(inputs), size)
    for start in watched(starts, "trying", len(starts)):
        batch = inputs[start : start + size]
        for name, reason in (*_wrong_values(model, sops, batch), *_wrong_meetings(precise, batch)):
            failures.setdefault(
                name, ComponentProof("analysis", None, "analysis", name, 0, np.inf, np.inf, "failed", reason)
            )
    return Trial(described, tuple(failures.values()))


def trial_inputs(model: Artefact) -> tuple[list[Tokens], str]:
    """All inputs up to the largest length of which there are few enough, longer ones at random, and what they are."""
    config = model.config
    budget = max(1, _WORK // _entries(model))
    longest = count = 0
    while longest < config.max_seq_len and count + len(config.vocab) ** (longest + 1) <= min(_SHORT, budget):
        longest += 1
        count += len(config.vocab) ** longest
    short = list(itertools.islice(every_input(model), count))
    described = f"all {count:,} inputs of up to {longest} tokens" if count else ""
    if longest == config.max_seq_len:
        return short, described
    rng = random.Random(0)
    lengths = [rng.randint(longest + 1, config.max_seq_len) for _ in range(min(_LONG, budget) - 1)]
    long = [rng.choices(config.vocab, k=length) for length in (config.max_seq_len, *lengths)]
    return [*short, *long], " and ".join(filter(None, [described, f"{len(long):,} random longer ones"]))


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


def _wrong_values(model: Artefact, sops: Mapping[str, SOp], batch: Sequence[Tokens]) -> Iterator[tuple[str, str]]:
    """The variables that some s-op's value is not claimed of, and an example."""
    entries = [entry for entry in model.labels.variables if entry.is_value and entry.expression in sops]
    shared: dict[tuple[int, Hashable, Hashable], bool] = {}
    for tokens in batch:
        evaluation = Evaluation(tokens, causal=model.config.causal, predicate_results=shared)
        for entry in entries:
            try:
                values = evaluation.value(sops[entry.expression])
            except EvaluationError as error:
                raise VerificationError(f"the program fails on inputs of the model: {error}") from error
            odd = [value for value in values if not _is_claimed(entry.variable, value)]
            if odd:
                yield entry.name, f"on {list(tokens)!r} it is {odd[0]!r}, which it is claimed never to be"


def _is_claimed(variable: Variable, value: Value) -> bool:
    if value is None:
        return variable.nullable
    if value_key(value) in variable.places:
        return True
    numeric = variable.layout is Layout.SCALAR or all(map(is_finite_number, variable.values))
    return numeric and is_finite_number(value) and bool((variable.numbers == float(value)).any())


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
            _seen(claim.view, [run.places(each) for each in claim.quantities], run.tokens)


def _seen(
    view: View, places: Sequence[Int[np.ndarray, "batch position"]], tokens: Bool[np.ndarray, "batch position"]
) -> Int[np.ndarray, "batch position"]:
    """What a view gives at each token.

    Raises:
        _Contradicted: the values are claimed not to occur together.
    """
    index = tuple(places[number] for number in view.quantities)
    found = view.places[index] if index else np.broadcast_to(view.places, tokens.shape)
    if (found[tokens] == IMPOSSIBLE).any():
        raise _Contradicted("it meets values that are claimed not to occur together")
    result: np.ndarray = np.where(tokens, found, 0)
    return result


def _check_head(run: _Run, claim: HeadClaim) -> None:
    length = run.tokens.shape[1]
    pairs = run.tokens[:, :, None] & run.tokens[:, None, :]
    selected = pairs & np.tril(np.ones((length, length), bool)) if run.model.config.causal else pairs
    queries, keys, values = ([run.places(each) for each in side] for side in (claim.queries, claim.keys, claim.values))
    for predicate in claim.predicates:
        asked, given = _seen(predicate.query, queries, run.tokens), _seen(predicate.key, keys, run.tokens)
        selected = selected & predicate.matrix[asked[:, :, None], given[:, None, :]]
    counts = selected.sum(axis=2)[run.tokens]
    if counts.max(initial=0) > claim.longest:
        raise _Contradicted(f"it selects {counts.max()} positions, and is claimed to select {claim.longest} at most")
    if claim.never_empty and not counts.all():
        raise _Contradicted("it selects nothing, and is claimed always to select something")
    read = claim.results[_seen(claim.value, values, run.tokens)]
    if claim.kind == "copy":
        rows = np.where(selected[..., None], read[:, None, :, :], np.nan)
        some = rows[selected.any(axis=2)]
        if (np.nanmax(some, axis=1) - np.nanmin(some, axis=1) > _NEAR).any():
            raise _Contradicted("it selects different values at once, and is claimed to copy one")
