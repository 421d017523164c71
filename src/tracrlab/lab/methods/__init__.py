"""Interpretability methods: decorated functions of a case, of one of four kinds.

=============  ==========================================================  =============================================
kind           what a method returns                                       what it claims
=============  ==========================================================  =============================================
``edges``      ``{Edge: float}``, any number of ``case.edges``             how much each edge matters to the answer
``decodes``    ``{(variable, site): float}``                               how surely a variable is held and used there
``directions`` array ``[n, d]``, of the residual stream at the end         the directions that features have
``subspace``   ``{(variable, site): array [d, k]}``                        where a variable is, for exchanging its value
=============  ==========================================================  =============================================

>>> from tracrlab.lab import method
>>> @method("edges")
... def later_is_better(case, rng):
...     '''Edges by the layer they lead to.'''
...     return {edge: float(edge.target.layer or 0) for edge in case.edges}
>>> later_is_better
Method('later_is_better', kind='edges')
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from tracrlab.errors import MethodError

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

Kind = Literal["edges", "decodes", "directions", "subspace"]
Role = Literal["method", "oracle", "baseline"]


@dataclass(frozen=True, repr=False)
class Method:
    """A method; called with a case and a generator of random numbers, of which it should take all its chance.

    Attributes: ``kind`` of what it returns; ``role``: an *oracle* looks at the truth, or measures what the truth is
    defined by, and a *baseline* looks at nothing, so neither competes.
    """

    name: str
    kind: Kind
    function: Callable[[Case, np.random.Generator], Any] = field(compare=False)
    role: Role = "method"

    @property
    def description(self) -> str:
        """The first line of its docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    def __call__(self, case: Case, rng: np.random.Generator) -> Any:
        return self.function(case, rng)

    def __repr__(self) -> str:
        return f"Method({self.name!r}, kind={self.kind!r})"


def method(
    kind: Kind, *, name: str | None = None, role: Role = "method"
) -> Callable[[Callable[[Case, np.random.Generator], Any]], Method]:
    """Make a function ``f(case, rng)`` a method of a kind.

    Raises:
        MethodError: there is no such kind.
    """
    if kind not in get_args(Kind):
        raise MethodError(f"there is no kind of methods {kind!r}; kinds are {', '.join(get_args(Kind))}")

    def decorate(function: Callable[[Case, np.random.Generator], Any]) -> Method:
        return Method(name or function.__name__, kind, function, role)

    return decorate


METHODS: Mapping[str, str] = {
    name: f"tracrlab.lab.methods.{module}"
    for module, names in {
        "baselines": ("oracle", "random", "all_edges"),
        "attribution": ("eap", "eap_kl", "eap_ig", "eap_ig_activations"),
        "patching": ("exact_patching", "path_patching"),
        "acdc": ("acdc",),
        "edge_pruning": ("edge_pruning",),
        "observation": ("logit_lens", "attention_patterns"),
        "parts": ("integrated_gradients",),
        "probing": ("probes", "random_claims"),
        "dictionaries": ("sae", "pca", "random_directions"),
        "subspaces": ("true_subspace", "das", "class_means", "random_subspace"),
    }.items()
    for name in names
}
"""The module of each method of the house."""


def by_name(name: str) -> Method:
    """A method of the house by its name, or a user's as ``package.module:function``.

    Modules are looked for in the working folder, too.

    Raises:
        MethodError: there is none, or it is no method.
    """
    if name in METHODS:
        module, attribute = METHODS[name], name
    elif ":" in name:
        module, _, attribute = name.partition(":")
    else:
        near = get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(METHODS)}"
        raise MethodError(f"no method {name!r}; {hint} A method of your own is package.module:function")
    found = getattr(_imported(module, name), attribute, None)
    if not isinstance(found, Method):
        what = "is not there" if found is None else "is no method; decorate it with @tracrlab.lab.method(kind)"
        raise MethodError(f"{name}: {attribute} {what}")
    return found


def _imported(module: str, name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(module)
    except Exception as error:  # whatever a user's module does while it is imported
        raise MethodError(f"{name}: cannot import {module}: {type(error).__name__}: {error}") from error
