"""Compiling Tracr's programs with Tracr Lab's compiler: what is asked of it, so that variables carry Tracr's labels."""

from __future__ import annotations

import copy
import functools
import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tracrlab.compat.single_valued import common_value_aggregate, single_valued_aggregate
from tracrlab.compat.tracr.rasp import rasp
from tracrlab.compat.translation import translated, translated_node
from tracrlab.compiler.domains import infer_domains
from tracrlab.compiler.driver import compile_program
from tracrlab.compiler.fit import Architecture
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.value_sets import MAX_TABLE_ENTRIES, Domain
from tracrlab.errors import CompileError, DomainTooLargeError, MixedAggregateError, PrecisionError
from tracrlab.facade import CompiledModel
from tracrlab.model.artefact import Artefact
from tracrlab.model.tokenizer import checked_vocabulary
from tracrlab.rasp import expressions as native
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.naming import function_name
from tracrlab.rasp.operations import DIVIDE, Operation, PartialOperation, affine_function, is_one_of
from tracrlab.rasp.traversal import children_first

_LOGGER = logging.getLogger("tracr")
_FEW_COMBINATIONS = 2**18  # of values of the inputs of a function; beyond, means are given up before all are tried


def labelled_edges(program: rasp.RASPExpr) -> Iterator[tuple[rasp.RASPExpr, rasp.RASPExpr]]:
    """Every (child, parent) pair below a program, breadth first, in the order in which Tracr gives labels."""
    queue, seen = [program], {id(program)}
    for parent in queue:
        for child in parent.children:
            yield child, parent
            if id(child) not in seen:
                seen.add(id(child))
                queue.append(child)


def compile_tracr_program(
    program: rasp.SOp,
    vocab: Collection[Any],
    max_seq_len: int,
    *,
    causal: bool,
    bos: str,
    pad: str,
    grounds: bool = True,
) -> CompiledModel:
    """The model of a program, whose variables are called by the labels of their expressions.

    An aggregate that may select different values without a mean, on which Tracr's interpreter fails, becomes one that
    is ``None`` there; a function that divides by zero is ``None`` there. Where a categorical aggregate of numbers may
    have more means than can be compiled, it becomes one that is ``None`` where there are several different numbers, and
    a warning says so: Tracr's own models have no means of categorical values either. Without ``grounds`` the embedding
    holds tokens, positions and the constant alone, as blocks that are run by themselves need it.

    Raises:
        ValueError: BOS or PAD is in the vocabulary, or the program holds a constant sequence or selector.
        TypeError: the program is not an s-op.
        CompileError: the program cannot be compiled exactly.
        VocabularyError: the vocabulary, special tokens or length are unusable in another way.
    """
    if not isinstance(program, rasp.SOp):
        raise TypeError(f"a program is an s-op, not {program!r}: aggregate a selector or take its width")
    _check_special_tokens(vocab, bos, pad)
    request = _Request(program, checked_vocabulary(vocab, bos, pad), max_seq_len, causal, _labels(program))
    refusal: CompileError | None = None
    most_combinations = _FEW_COMBINATIONS
    while True:
        try:
            expression = translated(program, request.node)
            assert isinstance(expression, native.SOp)
            made = partial(
                compile_program,
                expression,
                request.vocabulary,
                max_seq_len,
                causal=causal,
                bos=bos,
                pad=pad,
                most_combinations=most_combinations,
                grounds=grounds,
                prove=False,  # Tracr's models carry nothing that could be held against them
            )
            model = made()
            if _uses_last_dimension_of_heads(model):  # it is to hide padding
                model = made(fit=Architecture(d_head=model.config.d_head + 1))
        except MixedAggregateError as error:
            refusal = refusal or error
            if not request.replace_aggregate(error):
                raise refusal from None
        except (PrecisionError, DomainTooLargeError) as error:  # the price of a replacement, or of means
            if request.give_up_means():
                continue
            if most_combinations == MAX_TABLE_ENTRIES:
                raise refusal or error from None
            most_combinations = MAX_TABLE_ENTRIES
        else:
            request.warn()
            return CompiledModel.of(model)


def _uses_last_dimension_of_heads(model: Artefact) -> bool:
    return bool(model.weights.W_Q[..., -1].any() or model.weights.W_K[..., -1].any())


def _check_special_tokens(vocab: Collection[Any], bos: str, pad: str) -> None:
    for kind, token in (("BOS", bos), ("PAD", pad)):
        if token in vocab:
            raise ValueError(f"Compiler {kind} token must not be present in the vocab. Found '{token}' in {vocab}")


def _labels(program: rasp.RASPExpr) -> dict[int, str]:
    """The labels of all expressions by ``id``, given in Tracr's order; what has a value for one length is refused."""
    expressions = [program, *(child for child, _ in labelled_edges(program))]
    labels = {id(expression): expression.label for expression in expressions}
    for expression in expressions:
        if isinstance(expression, rasp.ConstantSOp | rasp.ConstantSelector):
            raise ValueError(f"Unsupported S-Op: {expression.label}; a given sequence or matrix can only be evaluated")
    return labels


@dataclass(frozen=True, eq=False)
class _Request:
    """A program and what its domains depend on.

    ``replaced`` are the aggregates to be made single-valued, by ``id``; ``without_means`` those that are to be ``None``
    where they select different numbers.
    """

    program: rasp.SOp
    vocabulary: tuple[Any, ...]
    max_seq_len: int
    causal: bool
    labels: dict[int, str]
    replaced: set[int] = field(default_factory=set)
    without_means: set[int] = field(default_factory=set)

    def node(self, expr: rasp.RASPExpr, children: Sequence[Any]) -> native.Expression:
        """The translation of one node as the compiler is to see it: labelled, laid out as asked, defined everywhere."""
        node = translated_node(expr, children)
        if not isinstance(expr, rasp.SOp):
            return node
        label = self.labels[id(expr)]
        if isinstance(node, native.Aggregate) and id(expr) in self.replaced | self.without_means:
            made = common_value_aggregate if id(expr) in self.without_means else single_valued_aggregate
            node = made(node, self._domain(node.sop), label)
            node.location = expr.location
        elif isinstance(node, native.Map | native.SequenceMap):
            node = copy.copy(node)
            node.f = _without_arithmetic_errors(node.f)
        node = node.named(label)
        if expr is self.program or "encoding" in expr.explicit_annotations:
            node.encoding = native.Encoding(rasp.get_encoding(expr).value)
        return node

    def replace_aggregate(self, error: MixedAggregateError) -> bool:
        """Have the aggregate that an error is about replaced; whether it is one that was not yet."""
        label = error.expression.partition(" = ")[0]
        for node in children_first(self.program):
            if isinstance(node, rasp.Aggregate) and self.labels[id(node)] == label and id(node) not in self.replaced:
                self.replaced.add(id(node))
                return True
        return False

    def give_up_means(self) -> bool:
        """Have categorical aggregates replaced that may have means of different numbers; whether there is a new one."""
        before = len(self.without_means)
        for node in children_first(self.program):
            if isinstance(node, rasp.Aggregate) and not rasp.is_numerical(node) and self._may_average(node):
                self.without_means.add(id(node))
        return len(self.without_means) > before

    def _may_average(self, aggregate: rasp.Aggregate[Any]) -> bool:
        """Whether the values of an aggregate are not only those that are aggregated."""
        if id(aggregate) in self.replaced | self.without_means:
            return True
        translation = translated(aggregate, self.node)
        assert isinstance(translation, native.Aggregate)
        try:
            values = self._domain(translation, _FEW_COMBINATIONS).values
        except CompileError:
            return True
        selected = {translation.default, *self._domain(translation.sop).values}
        return not selected.issuperset(values)

    def warn(self) -> None:
        """Say which aggregates have no means in the model, if there are such."""
        if self.without_means:
            labels = sorted(self.labels[each] for each in self.without_means)
            warnings.warn(
                f"{', '.join(labels)}: different numbers that are selected together have too many means to compile, so "
                "the model says None there, where the interpreter says the mean; select one position, or use numerical",
                stacklevel=4,
            )

    def _domain(self, sop: native.SOp, most_combinations: int = MAX_TABLE_ENTRIES) -> Domain:
        graph = trace_graph(sop)
        analysis = infer_domains(
            graph, self.vocabulary, self.max_seq_len, causal=self.causal, most_combinations=most_combinations
        )
        return analysis.domains[graph.output.place]


def _without_arithmetic_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but ``None`` where it divides by zero or overflows; most operators never do."""
    if affine_function(function) is not None:
        return function
    if is_one_of(function, DIVIDE):
        return replace(DIVIDE, function=ignoring_arithmetic_errors(DIVIDE.function))
    if isinstance(function, PartialOperation):
        guarded = _without_arithmetic_errors(function.operation)
        return replace(function, operation=guarded) if isinstance(guarded, Operation) else function
    return function if isinstance(function, Operation) else ignoring_arithmetic_errors(function)


def ignoring_arithmetic_errors(fun: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but ``None`` where it raises an ArithmeticError; a warning is logged, once for each input."""
    known: set[str] = set()

    @functools.wraps(fun, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    def guarded(*args: Any) -> Any:
        try:
            return fun(*args)
        except ArithmeticError as error:
            inputs = ", ".join(map(abridged, args))
            if inputs not in known:
                known.add(inputs)
                _LOGGER.warning("%s fails on %s, which becomes None: %s", function_name(fun), inputs, error)
            return None

    return guarded
