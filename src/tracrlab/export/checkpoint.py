"""Parameters put into a stock architecture, and a first look at whether it answers rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tracrlab.errors import PrecisionError
from tracrlab.export.agreement import random_inputs, share_of_lead
from tracrlab.export.pretrained import Pretrained
from tracrlab.extras import require
from tracrlab.model.artefact import Artefact
from tracrlab.model.readout import ClassReadout
from tracrlab.shapes import Float

if TYPE_CHECKING:
    import torch

N_CHECKED = 200  # random inputs
LEAST_SHARE = 0.5  # of the lead of the right class, that must be left after rounding

Arrays = dict[str, Float[np.ndarray, "..."]]


def require_transformers(purpose: str) -> None:
    """Import what stock architectures need.

    Raises:
        MissingDependencyError: Transformers or PyTorch is not installed.
    """
    for package in ("torch", "transformers", "tokenizers"):
        require(package, extra="huggingface", purpose=purpose)


def fill(module: Any, arrays: Arrays, readout: ClassReadout, dtype: torch.dtype | None) -> None:
    """Give the module these parameters and zeros elsewhere, in ``dtype`` or the readout's format.

    Raises:
        PrecisionError: the weights are beyond the range of ``dtype``.
    """
    import torch

    dtype = dtype or getattr(torch, readout.dtype)
    tensors = {name: torch.zeros_like(value, dtype=dtype) for name, value in module.named_parameters()}
    if unknown := set(arrays) - set(tensors):
        raise AssertionError(f"this version of Transformers has no {', '.join(sorted(unknown))}")
    for name, array in arrays.items():
        tensors[name] = torch.tensor(array, dtype=dtype)
        if not tensors[name].isfinite().all():
            raise PrecisionError(name, None, f"its weights are beyond the range of {dtype}", "Use a wider dtype")
    module.to(dtype).load_state_dict(tensors, strict=False)  # buffers stay


def checked(model: Artefact, readout: ClassReadout, export: Pretrained, architecture: str) -> Pretrained:
    """The export, if its answers are those of ``model`` and about as certain.

    Raises:
        PrecisionError: they are not.
    """
    share = share_of_lead(model, readout, export.logits, random_inputs(model, N_CHECKED))
    if not share >= LEAST_SHARE:  # nor is nan enough
        raise PrecisionError(
            model.output_name,
            None,
            f"the norms of {architecture} round too much for it",
            "Use dtype=torch.float64, or to_huggingface, which has no norms",
        )
    return export


def side_by_side(heads: Float[np.ndarray, "head width d_head"]) -> Float[np.ndarray, "width out"]:
    """The columns of all heads, one head after the other."""
    return np.concatenate(list(heads), axis=1)


def padded(matrix: Float[np.ndarray, "..."], axis: int, count: int) -> Float[np.ndarray, "..."]:
    """The matrix with ``count`` zeros appended along an axis."""
    ends = [(0, 0)] * matrix.ndim
    ends[axis] = (0, count)
    return np.pad(matrix, ends)
