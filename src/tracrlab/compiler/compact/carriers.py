"""What the residual stream holds of nodes, and the features of them that consumers read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.compact.affine import in_span
from tracrlab.compiler.ir.nodes import IRNode
from tracrlab.shapes import Float


@dataclass(frozen=True)
class Carrier:
    """A node that is stored, as a code or as what attention leaves for it."""

    node: IRNode
    raw: bool = False


@dataclass(frozen=True, eq=False)
class Feature:
    """Features of a node, a column each; ``exact``: clean values are wanted, not quantities with rounding errors."""

    node: IRNode
    columns: Float[np.ndarray, "value feature"]
    exact: bool = True


def is_raw(node: IRNode, features: Float[np.ndarray, "value feature"]) -> bool:
    """Whether these features of a node are linear in what attention leaves for it."""
    table = node.raw_table()
    return table is not None and in_span(table, features)
