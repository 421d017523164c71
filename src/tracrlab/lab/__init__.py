"""A laboratory for interpretability methods: models whose circuit is known, and how well methods find it.

>>> from tracrlab import lab
>>> case = lab.case("reverse", "abc", 3)
>>> len(case.edges), len(case.truth.circuit)
(893, 8)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case, case
    from tracrlab.lab.folder import load, save
    from tracrlab.lab.inputs import Inputs
    from tracrlab.lab.methods import Method, method
    from tracrlab.lab.pairs import Pairs
    from tracrlab.lab.scoring import Row, score
    from tracrlab.lab.truth import EdgeTruth, Truth, VariableTruth, Witness
    from tracrlab.model.circuit import Edge

__all__ = [
    "Case", "Edge", "EdgeTruth", "Inputs", "Method", "Pairs", "Row", "Truth", "VariableTruth", "Witness", "case",
    "load", "method", "save", "score",
]  # fmt: skip

_HOMES = {
    "tracrlab.lab.methods": ("Method", "method"),
    "tracrlab.lab.scoring": ("Row", "score"),
    "tracrlab.lab.cases": ("Case", "case"),
    "tracrlab.lab.folder": ("load", "save"),
    "tracrlab.lab.inputs": ("Inputs",),
    "tracrlab.lab.pairs": ("Pairs",),
    "tracrlab.lab.truth": ("EdgeTruth", "Truth", "VariableTruth", "Witness"),
    "tracrlab.model.circuit": ("Edge",),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: PyTorch is an extra.

    Raises:
        MissingDependencyError: PyTorch is not installed.
    """
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tracrlab.extras import require

    require("torch", extra="torch", purpose=f"lab.{name}")
    return globals().setdefault(name, getattr(import_module(home), name))
