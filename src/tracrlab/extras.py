"""Packages that only some features need, and that the extras of Tracr Lab install."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from tracrlab.errors import MissingDependencyError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """The optional module, imported.

    Raises:
        MissingDependencyError: it cannot be imported; the message says what needs it and how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs {module} ({error}); install it with: pip install 'tracrlab[{extra}]'"
        ) from error
