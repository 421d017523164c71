"""Compiled programs inside pre-trained language models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracrlab.inject.graft import Insert, graft, graft_all
    from tracrlab.inject.grafted import Grafted

__all__ = ["Grafted", "Insert", "graft", "graft_all"]

_HOMES = {
    "Grafted": "tracrlab.inject.grafted",
    "Insert": "tracrlab.inject.graft",
    "graft": "tracrlab.inject.graft",
    "graft_all": "tracrlab.inject.graft",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
