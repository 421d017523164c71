"""Tracr Lab: transformers whose mechanism is known, compiled from RASP programs.

>>> import tracrlab
>>> from tracrlab import rasp
>>> hist = rasp.selector_width(rasp.select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ))
>>> model = tracrlab.compile(hist, vocab="ab", max_seq_len=3)
>>> model("aba")
[2, 1, 2]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracrlab import decompile, errors, inject, lab, rasp
    from tracrlab.compiler.fit import Architecture
    from tracrlab.facade import CompiledModel, compile, load

__version__ = "0.2.0"

__all__ = ["Architecture", "CompiledModel", "compile", "decompile", "errors", "inject", "lab", "load", "rasp"]

_HOMES = {
    "Architecture": ("tracrlab.compiler.fit", "Architecture"),
    "CompiledModel": ("tracrlab.facade", "CompiledModel"),
    "compile": ("tracrlab.facade", "compile"),
    "load": ("tracrlab.facade", "load"),
}
_PACKAGES = ("decompile", "errors", "inject", "lab", "rasp")


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for, so that the package itself imports in an instant."""
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return globals().setdefault(name, getattr(import_module(module), attribute))


def __dir__() -> list[str]:
    return sorted(__all__)
