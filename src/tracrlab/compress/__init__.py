"""Compression: the residual stream of a compiled model in fewer dimensions (Tracr paper, section 5).

>>> import tracrlab
>>> from tracrlab.compress import Settings, train
>>> from tracrlab.rasp.library import PROGRAMS
>>> model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), vocab="wx", max_seq_len=3)
>>> training = train(model, 8, settings=Settings(steps=10))
>>> training.compressed().config.d_model
8
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracrlab.compress.compressed_model import CompressedModel
    from tracrlab.compress.faithfulness import verdict
    from tracrlab.compress.settings import Settings
    from tracrlab.compress.sharing import Sharing
    from tracrlab.compress.training import Run, Training, train
    from tracrlab.learn.verdict import Verdict

__all__ = ["CompressedModel", "Run", "Settings", "Sharing", "Training", "Verdict", "train", "verdict"]

_HOMES = {
    "CompressedModel": "compressed_model",
    "Run": "training",
    "Settings": "settings",
    "Sharing": "sharing",
    "Training": "training",
    "Verdict": "faithfulness",
    "train": "training",
    "verdict": "faithfulness",
}
_NEEDS_TORCH = {"Run", "Training", "Verdict", "train", "verdict"}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: PyTorch is an extra.

    Raises:
        MissingDependencyError: PyTorch is needed for it, and is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NEEDS_TORCH:
        from tracrlab.extras import require

        require("torch", extra="compress", purpose="compressing")
    module = import_module(f"{__name__}.{_HOMES[name]}")
    return globals().setdefault(name, getattr(module, name))
