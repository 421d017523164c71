"""Compiled programs inside pre-trained language models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracrlab.inject.grafted import Grafted
    from tracrlab.inject.grafting import Insert, graft, graft_all

__all__ = ["Grafted", "Insert", "graft", "graft_all"]

_HOMES = {
    "Grafted": "tracrlab.inject.grafted",
    "Insert": "tracrlab.inject.grafting",
    "graft": "tracrlab.inject.grafting",
    "graft_all": "tracrlab.inject.grafting",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))
