"""Stock architectures as targets: the export, and the proof that its checkpoint computes the program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tracrlab.craft.formats import FORMATS
from tracrlab.errors import ExportError, PrecisionError, VerificationError
from tracrlab.export.llama import to_llama
from tracrlab.export.pretrained import Pretrained
from tracrlab.export.reading import stock_network
from tracrlab.export.stock import to_bert, to_gpt2
from tracrlab.extras import require
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate
from tracrlab.model.surgery.own_dimensions import with_own_dimensions
from tracrlab.verify.induction import certify_network

if TYPE_CHECKING:
    import torch

Target = Literal["gpt2", "bert", "llama"]
Activation = Literal["relu", "gelu", "silu"]

_ACTIVATIONS = {"gpt2": ("relu", "gelu"), "bert": ("relu", "gelu"), "llama": ("silu",)}
_CAUSAL = {"gpt2": "GPT-2", "llama": "Llama"}


def check_target(target: str, activation: str | None, *, causal: bool) -> None:
    """Refuse a target that does not exist, does not have the activation, or cannot see later tokens.

    Raises:
        ValueError: there is no such target.
        ExportError: it does not go with the activation, or with a model that is not causal.
    """
    if target not in _ACTIVATIONS:
        raise ValueError(f"target must be {', '.join(map(repr, _ACTIVATIONS))}, not {target!r}")
    if activation is not None and activation not in _ACTIVATIONS[target]:
        raise ExportError(f"{target} has no {activation} neurons; it has {' or '.join(_ACTIVATIONS[target])}")
    if target in _CAUSAL and not causal:
        raise ExportError(f"{_CAUSAL[target]} is causal, and this model is not; compile with causal=True, or for bert")


def stock_export(
    model: Artefact, target: Target, activation: Activation | None = None, *, dtype: torch.dtype | None = None
) -> Pretrained:
    """The model in a stock architecture, checked on random inputs.

    Raises:
        MissingDependencyError, ExportError, PrecisionError, ValueError: as for ``to_gpt2``, ``to_bert``, ``to_llama``.
    """
    check_target(target, activation, causal=model.config.causal)
    own = with_own_dimensions(model)
    readout = own.class_readout()
    if target == "llama":
        return to_llama(own, readout, dtype=dtype)
    to_target = to_gpt2 if target == "gpt2" else to_bert
    return to_target(own, readout, activation=activation or "relu", dtype=dtype)


def certified_export(model: Artefact, target: Target, activation: Activation | None = None) -> Pretrained:
    """The model in a stock architecture, with the certificate that this equals the program.

    Raises:
        MissingDependencyError, ExportError, ValueError: as for :func:`stock_export`.
        PrecisionError: there is no proof.
        VerificationError: the model carries no claims.
    """
    export = stock_export(model, target, activation)
    certificate = stock_certificate(export)
    if model.certificate is not None:
        certificate = replace(certificate, program=model.certificate.program)
    if not certificate.holds:
        raise PrecisionError(
            model.output_name,
            None,
            f"there is no proof that {certificate.target} computes it: {certificate.reason}",
            f"Use a smaller length or the other mode; model.to_{target}() gives it checked on random inputs only",
        )
    return replace(export, certificate=certificate)


def verify_target(
    model: Artefact, target: Target, activation: Activation | None, *, runs: bool, dtype: str | None
) -> Certificate:
    """Export the model and prove that the checkpoint computes its program; ``runs``: inputs are to be run, too.

    Raises:
        VerificationError: inputs are to be run, there is no such format, or as for :func:`stock_certificate`.
        MissingDependencyError, ExportError, PrecisionError, ValueError: as for :func:`stock_export`.
    """
    if runs:
        raise VerificationError(
            "inputs are run in the model itself, not in a target: leave out the target, or the program and exhaustive"
        )
    if dtype not in (None, *FORMATS):
        raise VerificationError(f"there is no number format {dtype!r} to verify in; there are {', '.join(FORMATS)}")
    torch = require("torch", extra="huggingface", purpose="a stock architecture")
    export = stock_export(model, target, activation, dtype=None if dtype is None else getattr(torch, dtype))
    return stock_certificate(export)


def stock_certificate(export: Pretrained) -> Certificate:
    """What can be proven of a checkpoint, read back from its parameters: whether it computes its source's program.

    Raises:
        VerificationError: the model carries no claims, or the checkpoint is of another architecture.
    """
    return certify_network(export.source, stock_network(export.source, export.model))
