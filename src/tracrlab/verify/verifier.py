"""Verification from top to bottom: the proof, and runs of the model beside it where they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracrlab.errors import VerificationError
from tracrlab.rasp.expressions import SOp
from tracrlab.verify.certificate import Certificate
from tracrlab.verify.induction import certify
from tracrlab.verify.search import all_inputs, contradiction, suspicious_inputs
from tracrlab.verify.trial import trial_inputs, tried

if TYPE_CHECKING:
    from tracrlab.model.artefact import Artefact


def verify(
    model: Artefact, program: SOp | None = None, *, exhaustive: bool = False, dtype: str | None = None
) -> Certificate:
    """Prove that a model computes its program on all inputs, or say which component may not.

    Arguments:
        model: a compiled model with the claims of its compiler.
        program: what it was compiled from. With it, the compiler's analysis of it is tried out on inputs; if there is
            no proof, an input is searched on which the model is wrong.
        exhaustive: run every input too; this needs ``program``.
        dtype: the number format to prove it in, after rounding the weights to it: ``"float64"``, ``"float32"``,
            ``"float16"`` or ``"bfloat16"``. The model's own unless given. Only this one is run on inputs.

    Raises:
        VerificationError: the model carries no claims; or ``exhaustive`` is asked for without a program, in another
            format, or with too many inputs.
        TypeError: ``program`` is not an s-op.
    """
    if not isinstance(program, SOp | None):
        raise TypeError(f"a program is an s-op, not {type(program).__name__}")
    own_format = dtype in (None, model.config.dtype)
    if exhaustive and program is None:
        raise VerificationError("running every input needs the program that the model was compiled from")
    if exhaustive and not own_format:
        raise VerificationError(f"inputs can only be run in the model's own number format, {model.config.dtype}")
    inputs = all_inputs(model) if exhaustive else None
    certificate = certify(model, dtype)
    if program is not None and certificate.holds:
        trial = tried(model, program)
        components = (*certificate.components, *trial.failures)
        certificate = replace(certificate, components=components, tried=trial.inputs)
        if inputs is None and own_format:
            inputs = trial_inputs(model)[0]
    if program is None or not own_format:
        return certificate
    count, found = contradiction(model, program, suspicious_inputs(model) if inputs is None else inputs)
    return replace(certificate, n_inputs=count, counterexample=None if found is None else str(found))
