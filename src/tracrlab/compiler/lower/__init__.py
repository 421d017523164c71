"""Stage 3: every s-op of the graph becomes Craft components (Tracr paper, section 3, step 3, and appendix D)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.compiler.construction import Placed
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.aggregates import constant_variable, lower_aggregate
from tracrlab.compiler.lower.claiming import variable_quantity
from tracrlab.compiler.lower.elementwise import lower_elementwise, new_variable, require_numbers
from tracrlab.compiler.lower.resolving import resolved_mean
from tracrlab.compiler.lower.widths import lower_length, lower_width
from tracrlab.compiler.lower.workspace import Stored, Workspace
from tracrlab.craft.claims import Claims, ReadoutClaim, View
from tracrlab.craft.components import Embedding
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import NotSeparable, check_range, number_noise, unit_roundoff
from tracrlab.craft.spaces import Layout, Read, Variable
from tracrlab.errors import PrecisionError
from tracrlab.rasp.expressions import (
    Aggregate,
    Encoding,
    Full,
    Indices,
    Length,
    Map,
    SelectorWidth,
    SequenceMap,
    Tokens,
)
from tracrlab.rasp.values import is_finite_number

__all__ = ["Lowered", "lower_graph", "too_fine"]

_FINER = {"bfloat16": "float32", "float16": "float32", "float32": "float64"}


@dataclass(frozen=True, eq=False)
class Lowered:
    """The program in Craft: what the embeddings hold, and components in an order that respects their reads.

    ``variables`` gives for each s-op, by its place in the graph, the variable that holds its value; ``output`` says how
    an answer is decoded, from the features that ``readout`` reads.
    """

    embeddings: tuple[Embedding, ...]
    components: tuple[Placed, ...]
    variables: dict[int, Variable]
    output: Variable
    readout: tuple[Read, ...]
    claims: Claims


@np.errstate(over="ignore", invalid="ignore")  # what is beyond the range of floats is an error that nothing bears
def lower_graph(analysis: Analysis, bos: str, pad: str, dtype: NumberFormat, *, grounds: bool = True) -> Lowered:
    """Lower every s-op of an analysed graph; ``grounds``: counts may be stored beside constants, where need be.

    Raises:
        EncodingError: a numerical encoding is asked for values that are not numbers.
        DomainTooLargeError: a table, one-hot or combination of values passes the limits.
        PrecisionError: the number format cannot tell values apart that the program must tell apart.
    """
    analysis.require_all_values()
    grounded: frozenset[int] | None = frozenset() if grounds and not dtype.is_half else None
    while True:
        work, lowered = _lowered(Workspace(analysis, bos, pad, dtype, grounded))
        if grounded is None or work.loud <= grounded:
            return lowered
        grounded |= work.loud


def _lowered(work: Workspace) -> tuple[Workspace, Lowered]:
    analysis = work.analysis
    for node in analysis.graph.sops():
        try:
            _lower(work, node)
        except NotSeparable as error:
            raise too_fine(node, work.dtype, *error.args) from error
    output = _decodable(work, analysis.graph.output)
    variables = {place: stored.variable for place, stored in work.stored.items()}
    claims = work.all_claims(_readout_claim(work, output))
    answer = replace(output, name=analysis.graph.output.name) if work.dtype.is_half else output  # it may be a copy
    readout = _readout(work, output)
    return work, Lowered(tuple(work.embeddings), tuple(work.components), variables, answer, readout, claims)


def _readout(work: Workspace, output: Variable) -> tuple[Read, ...]:
    """The output as it is; ``None``, the last class of a one-hot, wins with 1/2 where all others are 0."""
    if output.layout is Layout.SCALAR or not output.nullable:
        return (Read(output, np.eye(output.width)),)
    none = np.zeros((1, output.width + 1))
    none[0, -1] = 0.5
    return Read(output, np.eye(output.width, output.width + 1)), Read(work.one, none)


def _readout_claim(work: Workspace, output: Variable) -> ReadoutClaim:
    """The answer is the value that the output's variable holds."""
    answers = (*output.values, None) if output.nullable else output.values
    return ReadoutClaim((variable_quantity(output),), View((0,), np.arange(len(answers))), answers)


def _lower(work: Workspace, node: Node) -> None:
    match node.expression:
        case Tokens():
            _lower_source(work, node, work.tokens)
        case Indices():
            _lower_source(work, node, work.indices)
        case Full():
            work.store(node, constant_variable(work, node, node.expression.fill))
        case Length():
            lower_length(work, node)
        case Map() | SequenceMap():
            lower_elementwise(work, node)
        case SelectorWidth():
            lower_width(work, node)
        case Aggregate():
            lower_aggregate(work, node)
        case _:
            raise AssertionError(f"no lowering for {type(node.expression).__name__}")


def _lower_source(work: Workspace, node: Node, one_hot: Variable) -> None:
    """Tokens and indices are one-hot in the embedding; asked for as numbers, they get a dimension there as well."""
    domain = work.analysis.domains[node.place]
    if node.expression.encoding is not Encoding.NUMERICAL:
        work.store(node, one_hot)
        return
    require_numbers(node, domain)
    variable = new_variable(node, Layout.SCALAR, domain)
    check_range(variable.numbers, work.dtype)
    rounding = unit_roundoff(work.dtype) * float(np.abs(variable.numbers).max())
    variable = replace(variable, noise=number_noise(rounding))
    source = next(embedding for embedding in work.embeddings if embedding.writes is one_hot)
    numbers = np.array([[float(value)] for value in domain.values])  # type: ignore[arg-type]
    by_token = None if source.by_token is None else source.by_token @ numbers
    by_position = None if source.by_position is None else source.by_position @ numbers
    work.embeddings.append(Embedding(variable, by_token, by_position))
    work.store(node, variable)


def _decodable(work: Workspace, node: Node) -> Variable:
    """The variable that holds the answer; half formats do not hold means apart, but can resolve them.

    Raises:
        PrecisionError: the number format cannot tell its values apart.
    """
    stored = work.stored[node.place]
    try:
        _check_decodable(work, node, stored.variable)
    except PrecisionError:
        resolvable = work.dtype.is_half and stored.variable.layout is Layout.SCALAR
        resolved = None
        with suppress(NotSeparable):
            resolved = resolved_mean(work, node, stored.variable) if resolvable else None
        if resolved is None:
            raise
        _check_decodable(work, node, resolved)
        work.stored[node.place] = Stored(resolved, stored.slots)
    return work.stored[node.place].variable


def _check_decodable(work: Workspace, node: Node, output: Variable) -> None:
    """The answer must be nearer to the right value than to any other, whatever the noise."""
    error = output.noise.of_read(np.eye(output.width))
    if output.layout is Layout.ONE_HOT:
        if not error <= 1 / 4:
            raise too_fine(node, work.dtype, 0, 1)
        return
    gaps = np.diff(output.numbers)
    if len(gaps) and not error <= 0.45 * gaps.min():
        place = int(gaps.argmin())
        largest = max(output.values, key=lambda value: abs(value) if is_finite_number(value) else 0)
        raise too_fine(
            node, work.dtype, output.values[place], output.values[place + 1], f" among numbers up to {largest}"
        )


def too_fine(node: Node, dtype: NumberFormat, one: object, other: object, where: str = "") -> PrecisionError:
    """The error for values of a node, or of what it reads, that the weights cannot hold apart."""
    finer = "Use" if dtype.name == "float64" else f'Compile with dtype="{_FINER[dtype.name]}", use'
    return PrecisionError(
        node.title,
        node.expression.location,
        f"{dtype} weights cannot reliably tell {one} from {other}{where}",
        f"{finer} a smaller length, or round to fewer values",
    )
