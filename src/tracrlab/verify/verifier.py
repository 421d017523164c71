"""Verification from top to bottom: the proof of the weights, and what shows that their claims are the program's."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from tracrlab.errors import VerificationError
from tracrlab.model.certificate import Certificate, ProgramProof, Source
from tracrlab.rasp.expressions import SOp
from tracrlab.verify.induction import certify
from tracrlab.verify.search import all_inputs
from tracrlab.verify.trial import LONG, Effort, contradiction, tried

if TYPE_CHECKING:
    from tracrlab.model.artefact import Artefact

_SEEDS = 2**32


def verify(
    model: Artefact,
    program: SOp | None = None,
    *,
    exhaustive: bool = False,
    dtype: str | None = None,
    seed: int | None = None,
    source: Source = "unknown",
    effort: Effort = LONG,
) -> Certificate:
    """Prove that a model's weights do what is claimed of them, and that the claims are those of a program.

    Arguments:
        model: a compiled model with the claims of its compiler.
        program: what it should compute. The claims are held against it, and both are run on inputs.
        exhaustive: run every input; this needs ``program``.
        dtype: the number format to prove it in, after rounding the weights to it: ``"float64"``, ``"float32"``,
            ``"float16"`` or ``"bfloat16"``. The model's own unless given. Only this one is run on inputs.
        seed: of the random inputs; drawn at random unless given.
        source: where the claims are known to come from.
        effort: how many inputs are tried.

    Raises:
        VerificationError: the model carries no claims; or ``exhaustive`` is asked for without a program, in another
            format, or with too many inputs; or the program has no value on some input of the model.
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
    if program is None:
        return certificate
    proof = ProgramProof((), source=source)
    if not own_format:
        return replace(certificate, program=proof)
    if inputs is not None:
        count, found = contradiction(model, program, inputs)
        proof = replace(proof, inputs=f"all {count:,} inputs", is_all=found is None)
        return replace(certificate, program=proof, n_inputs=count, counterexample=_text(found))
    seed = secrets.randbelow(_SEEDS) if seed is None else seed
    trial = tried(model, program, effort, seed)
    proof = replace(proof, parts=trial.failures, inputs=trial.inputs, is_all=trial.is_all, seed=seed)
    return replace(certificate, program=proof, n_inputs=trial.n_inputs, counterexample=_text(trial.counterexample))


def _text(found: object) -> str | None:
    return None if found is None else str(found)
