"""What must hold between the stages; each function raises ``AssertionError`` naming what does not. Run by the tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tracrlab.compiler.allocate import Allocation
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.graph import Graph
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.schedule import Schedule
from tracrlab.craft.components import AttentionHead, Component
from tracrlab.craft.spaces import Layout, Read, Variable
from tracrlab.model.sublayers import EMBEDDING


def check_graph(graph: Graph) -> None:
    """Children come before parents, names are unique, every child but the sources serves some parent."""
    names = [node.name for node in graph.nodes]
    _require(len(set(names)) == len(names), f"names repeat: {names}")
    for place, node in enumerate(graph.nodes):
        _require(node.place == place, f"{node.name} is misplaced")
        _require(all(child < place for child in node.inputs), f"{node.name} comes before what it reads")
    used = {child for node in graph.nodes for child in node.inputs}
    unused = [node.name for node in graph.nodes[2:-1] if node.place not in used]
    _require(not unused, f"nothing reads {unused}")


def check_domains(analysis: Analysis) -> None:
    """Every s-op has a domain of distinguishable values without ``None``; widths are possible."""
    for node in analysis.graph.sops():
        domain = analysis.domains[node.place]
        _require(len(domain.places) == len(domain.values), f"values of {node.name} repeat")
        _require(all(value is not None for value in domain.values), f"None is a value of {node.name}")
    for place, widths in analysis.widths.items():
        _require(widths[0] >= 0 and widths[-1] <= analysis.max_length, f"width {widths} of selector {place}")


def check_lowered(lowered: Lowered, *, whole_scores: bool) -> None:
    """One writer a variable; nothing reads or is output before it is written; matrices fit.

    ``whole_scores``: the scores of heads are whole numbers, as in faithful mode.
    """
    written: set[Variable] = set()
    for embedding in lowered.embeddings:
        _require(embedding.writes not in written, f"{embedding.writes.name} is embedded twice")
        written.add(embedding.writes)
    writers = [placed.component.writes for placed in lowered.components]
    always_zero = set(lowered.variables.values()) - written - set(writers)
    _require(not any(variable.table.any() for variable in always_zero), "a variable that is not zero is never written")
    for placed in lowered.components:
        component = placed.component
        _require(component.writes not in written, f"{component.writes.name} is written twice")
        for read in component.reads:
            _require(read.variable in written | always_zero, f"{read.variable.name} is read before it is written")
            _require(len(read.matrix) == read.variable.width, f"a read of {read.variable.name} does not fit")
        _require(component.output.shape[1] == component.writes.width, f"the output to {component.writes.name}")
        _check_silent_at_bos(component)
        if isinstance(component, AttentionHead) and whole_scores:
            _check_integers(component.queries + component.keys)
        written.add(component.writes)


def _check_silent_at_bos(component: Component) -> None:
    """At BOS an MLP's neurons do not fire, and a head's query there matches no ordinary key."""
    reads = component.queries if isinstance(component, AttentionHead) else component.reads
    total = np.zeros(reads[0].matrix.shape[1])
    for read in reads:
        total += read.variable.at_bos @ read.matrix
    if isinstance(component, AttentionHead):
        total = total[:-1]  # the last feature is that of BOS itself
    _require(bool((total <= 0).all()), f"{component.writes.name} reads something at BOS")


def _check_integers(reads: tuple[Read, ...]) -> None:
    for read in reads:
        _require(bool((read.matrix == np.round(read.matrix)).all()), f"scores of {read.variable.name} are no integers")


def check_schedule(lowered: Lowered, schedule: Schedule) -> None:
    """Every component is in a sublayer of its kind, after what it reads."""
    ready: dict[Variable, int] = {}
    for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True):
        component = placed.component
        _require(sublayer.is_attention == isinstance(component, AttentionHead), f"{component.writes.name}: wrong kind")
        for read in component.reads:
            _require(ready.get(read.variable, EMBEDDING) < sublayer, f"{component.writes.name} reads too early")
        ready[component.writes] = sublayer


def check_allocation(lowered: Lowered, schedule: Schedule, allocation: Allocation) -> None:
    """The variables cover the residual stream, and no two that are in use at once share a dimension.

    Where two share one, an MLP clears it: after everything that reads the first, and before the second is written.
    """
    holders: list[list[Variable]] = [[] for _ in range(allocation.d_model)]
    for variable in allocation.starts:
        for own in holders[allocation.dimensions(variable)]:
            own.append(variable)
        widths = {Layout.ONE_HOT: len(variable.values), Layout.SCALAR: 1 + variable.nullable}
        width = widths.get(variable.layout, variable.table.shape[1])
        _require(variable.width == width, f"{variable.name} has {variable.width} dimensions")
    _require(all(holders), "dimensions are unused")
    _require(all(read.variable in allocation.starts for read in lowered.readout), "the answer has no dimensions")
    cleared = {
        (clearing.variable, allocation.starts[clearing.variable] + place): clearing.sublayer
        for clearing in allocation.clearings
        for place in clearing.places
    }
    _require(len(cleared) == sum(len(each.places) for each in allocation.clearings), "a dimension is cleared twice")
    written, read_last = _uses(lowered, schedule)
    for dimension, own in enumerate(holders):
        own.sort(key=lambda variable: written.get(variable, EMBEDDING))
        for earlier, later in pairwise(own):
            sublayer = cleared.pop((earlier, dimension), None)
            _require(sublayer is not None and sublayer.is_mlp, f"no MLP clears dimension {dimension}")
            assert sublayer is not None
            _require(read_last.get(earlier, EMBEDDING) <= sublayer, f"{earlier.name} is cleared too early")
            _require(sublayer < written.get(later, EMBEDDING), f"{later.name} is written too early")
    _require(not cleared, "a dimension is cleared for nothing")


def _uses(lowered: Lowered, schedule: Schedule) -> tuple[dict[Variable, int], dict[Variable, float]]:
    """The sublayers that write each variable and read it last; the answer is read after all of them."""
    written: dict[Variable, int] = {}
    read_last: dict[Variable, float] = {}
    for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True):
        written[placed.component.writes] = sublayer
        for read in placed.component.reads:
            read_last[read.variable] = max(read_last.get(read.variable, EMBEDDING), sublayer)
    return written, read_last | {read.variable: np.inf for read in lowered.readout}


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)
