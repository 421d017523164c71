"""What a method has answered, checked before it is scored: every mistake is named, with where it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tracrlab.errors import MethodError
from tracrlab.model.circuit import Edge

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case
    from tracrlab.lab.methods import Method

Key = TypeVar("Key")


def edge_scores(answer: Any, method: Method, case: Case) -> dict[Edge, float]:
    """A number for each edge of the case; 0 for those that the answer leaves out. Edges may be given by their names.

    Raises:
        MethodError: it is no mapping, names an edge that the case has not, or gives what is no finite number.
    """
    by_name = {str(edge): edge for edge in case.edges}
    found = _numbers({str(key): value for key, value in _mapping(answer, method, case).items()}, by_name, method, case)
    return {edge: found[name] for name, edge in by_name.items()}


def claims(answer: Any, method: Method, case: Case) -> dict[tuple[str, str], float]:
    """A number for each (variable, site) of the case; 0 for those that the answer leaves out.

    Raises:
        MethodError: as for :func:`edge_scores`.
    """
    return _numbers(_mapping(answer, method, case), case.truth.variables, method, case)


def _mapping(answer: Any, method: Method, case: Case) -> Mapping[Any, Any]:
    if not isinstance(answer, Mapping):
        raise MethodError(f"{method.name} on {case.name}: gives a {type(answer).__name__}, and ought to give a mapping")
    return answer


def _numbers(answer: Mapping[Any, Any], known: Iterable[Key], method: Method, case: Case) -> dict[Key, float]:
    found = dict.fromkeys(known, 0.0)
    for key, value in answer.items():
        if key not in found:
            raise MethodError(f"{method.name} on {case.name}: there is no {key} in this case")
        number = value.item() if getattr(value, "ndim", None) == 0 else value  # of NumPy or PyTorch
        if not isinstance(number, Real) or not math.isfinite(number):
            raise MethodError(f"{method.name} on {case.name}: {key} gets {number!r}, which is no finite number")
        found[key] = float(number)
    return found


def subspaces(answer: Any, method: Method, case: Case) -> dict[tuple[str, str], np.ndarray]:
    """A basis [d, k] for each (variable, site) that the answer names.

    Raises:
        MethodError: as for :func:`edge_scores`, or an array has another shape.
    """
    found, d = dict[tuple[str, str], np.ndarray](), case.module.config.d_model
    for key, value in _mapping(answer, method, case).items():
        if key not in case.truth.variables:
            raise MethodError(f"{method.name} on {case.name}: there is no {key} in this case")
        found[key] = matrix(value, d, None, f"{method.name} on {case.name}: {key}")
    return found


def matrix(answer: Any, rows: int | None, width: int | None, what: str) -> np.ndarray:
    """An array [rows, width] of finite numbers; ``None`` is any size.

    Raises:
        MethodError: it is none.
    """
    try:
        found = np.asarray(answer, float)
    except (TypeError, ValueError) as error:
        raise MethodError(f"{what}: is no array of numbers: {error}") from error
    wanted = f"[{rows or 'any'}, {width or 'any'}]"
    if found.ndim != 2 or rows not in (None, found.shape[0]) or width not in (None, found.shape[1]):
        raise MethodError(f"{what}: has shape {list(found.shape)}, and ought to have {wanted}")
    if not np.isfinite(found).all():
        raise MethodError(f"{what}: holds a number that is not finite")
    return found
