"""What each expression of a model's program reads, numbered as in ``model.program``."""

from __future__ import annotations

from collections.abc import Mapping

from tracrlab.compiler.graph import trace_graph
from tracrlab.errors import InputError
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.expressions import Selector, SOp

Inputs = Mapping[int, tuple[int, ...]]


def expression_inputs(model: Artefact, program: SOp) -> tuple[Inputs, frozenset[int]]:
    """What each expression of a program reads, and which of them are selectors.

    Raises:
        InputError: the model was not compiled from this program.
    """
    nodes = trace_graph(program).nodes
    if [(node.name, node.text) for node in nodes] != [(name, text) for name, text, _ in model.program]:
        raise InputError(f"the model computes {model.program[-1][0]!r} and was not compiled from the program given")
    inputs = {node.place: tuple(dict.fromkeys(node.inputs)) for node in nodes}
    return inputs, frozenset(node.place for node in nodes if isinstance(node.expression, Selector))
