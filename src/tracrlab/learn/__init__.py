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
    from tracrlab.learn.by_name import by_name
    from tracrlab.learn.interventions import Intervention, Mean, Plus, Resample, Value, Zero
    from tracrlab.learn.mixing import run_mixed, written
    from tracrlab.learn.optimisation import Optimisation
    from tracrlab.learn.patching import activations, edge_gradients, gradients, inserted, run, run_each
    from tracrlab.learn.places import Place, Site, Subspace, place, variable
    from tracrlab.learn.trainer import Trained, each_run, stacked, train
    from tracrlab.learn.transformer import Form, HookPoint, Transformer, random_transformer, torch_model
    from tracrlab.learn.verdict import Strictness, Verdict, module_verdict, strictness
    from tracrlab.model.circuit import Edge, Node, Reader, possible_edges

__all__ = [
    "Edge", "Form", "HookPoint", "Intervention", "Mean", "Node", "Optimisation", "Place", "Plus", "Reader",
    "Resample", "Site", "Strictness", "Subspace", "Trained", "Transformer", "Value", "Verdict", "Zero",
    "activations", "by_name", "each_run", "edge_gradients", "gradients", "inserted", "module_verdict", "place",
    "possible_edges", "random_transformer", "run", "run_each", "run_mixed", "stacked",
    "strictness", "torch_model", "train", "variable", "written",
]  # fmt: skip

_HOMES = {
    "tracrlab.model.circuit": ("Edge", "Node", "Reader", "possible_edges"),
    "tracrlab.learn.by_name": ("by_name",),
    "tracrlab.learn.interventions": ("Intervention", "Mean", "Plus", "Resample", "Value", "Zero"),
    "tracrlab.learn.patching": ("activations", "edge_gradients", "gradients", "inserted", "run", "run_each"),
    "tracrlab.learn.places": ("Place", "Site", "Subspace", "place", "variable"),
    "tracrlab.learn.transformer": ("Form", "HookPoint", "Transformer", "random_transformer", "torch_model"),
    "tracrlab.learn.mixing": ("run_mixed", "written"),
    "tracrlab.learn.optimisation": ("Optimisation",),
    "tracrlab.learn.trainer": ("Trained", "each_run", "stacked", "train"),
    "tracrlab.learn.verdict": ("Strictness", "Verdict", "module_verdict", "strictness"),
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
