"""PyTorch for all that trains a transformer or intervenes in one.

>>> import tracrlab
>>> from tracrlab import learn
>>> from tracrlab.rasp.library import PROGRAMS
>>> module = tracrlab.compile(PROGRAMS["hist"].build(), vocab="ab", max_seq_len=3).to_torch()
>>> ids, other = module.encode(["aba"]), module.encode(["aaa"])
>>> logits = learn.run(module, ids, {"a0.h0->m0": learn.Resample(other, positions=[1])})
>>> module.decode(logits, ids)
[[3, 1, 2]]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracrlab.learn.interventions import Intervention, Mean, Plus, Resample, Value, Zero
    from tracrlab.learn.patching import activations, edge_gradients, gradients, inserted, run, run_each
    from tracrlab.learn.places import Place, Site, Subspace, place, variable
    from tracrlab.learn.transformer import Form, HookPoint, Transformer, torch_model
    from tracrlab.model.circuit import Edge, Node, Reader, possible_edges

__all__ = [
    "Edge", "Form", "HookPoint", "Intervention", "Mean", "Node", "Place", "Plus", "Reader", "Resample", "Site",
    "Subspace", "Transformer", "Value", "Zero", "activations", "edge_gradients", "gradients", "inserted", "place",
    "possible_edges", "run", "run_each", "torch_model", "variable",
]  # fmt: skip

_HOMES = {
    "tracrlab.model.circuit": ("Edge", "Node", "Reader", "possible_edges"),
    "tracrlab.learn.interventions": ("Intervention", "Mean", "Plus", "Resample", "Value", "Zero"),
    "tracrlab.learn.patching": ("activations", "edge_gradients", "gradients", "inserted", "run", "run_each"),
    "tracrlab.learn.places": ("Place", "Site", "Subspace", "place", "variable"),
    "tracrlab.learn.transformer": ("Form", "HookPoint", "Transformer", "torch_model"),
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

    require("torch", extra="torch", purpose=f"learn.{name}")
    return globals().setdefault(name, getattr(import_module(home), name))
