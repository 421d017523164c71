"""What must hold between the stages; each function raises ``AssertionError`` naming what does not. Run by the tests."""

from __future__ import annotations

import numpy as np

from tracrlab.compiler.allocate import Allocation
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.graph import Graph
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.schedule import Schedule
from tracrlab.craft.components import AttentionHead, Component
from tracrlab.craft.spaces import Layout, Read, Variable


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
        _require(sublayer % 2 == (not isinstance(component, AttentionHead)), f"{component.writes.name}: wrong kind")
        for read in component.reads:
            _require(ready.get(read.variable, -1) < sublayer, f"{component.writes.name} reads too early")
        ready[component.writes] = sublayer


def check_allocation(lowered: Lowered, allocation: Allocation) -> None:
    """The variables' dimensions are disjoint and cover the residual stream."""
    covered = np.zeros(allocation.d_model, int)
    for variable in allocation.starts:
        covered[allocation.dimensions(variable)] += 1
        widths = {Layout.ONE_HOT: len(variable.values), Layout.SCALAR: 1 + variable.nullable}
        width = widths.get(variable.layout, variable.table.shape[1])
        _require(variable.width == width, f"{variable.name} has {variable.width} dimensions")
    _require(bool((covered == 1).all()), "dimensions overlap or are unused")
    _require(all(read.variable in allocation.starts for read in lowered.readout), "the answer has no dimensions")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)
