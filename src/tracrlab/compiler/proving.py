"""The last stage: a model is proven and tried before it is given away, or another one is made, or none."""

from __future__ import annotations

from collections.abc import Iterator

from tracrlab.errors import CompileError, UnprovenError, VerificationError
from tracrlab.model.artefact import Artefact
from tracrlab.model.digest import model_digest
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.text import titled_text
from tracrlab.verify.trial import BRIEF
from tracrlab.verify.verifier import verify

_SEED = 0  # of the few random inputs that are tried while compiling, which is to give the same everywhere


def first_proven(models: Iterator[Artefact], program: SOp) -> Artefact:
    """The first of several models compiled from a program that is proven, with its certificate.

    Raises:
        CompileError: the first cannot be compiled.
        UnprovenError: none is proven; names the part of the first that is to blame.
    """
    unproven: UnprovenError | None = None
    seen = set[str]()
    while True:
        try:
            model = next(models, None)
        except CompileError:
            if unproven is None:
                raise
            continue  # what has been made before is wanting, and this is no way out
        if model is None:
            assert unproven is not None
            raise unproven
        if unproven is not None and model_digest(model) in seen:
            continue
        try:
            return proven(model, program)
        except UnprovenError as error:
            seen.add(model_digest(model))
            unproven = unproven or error


def proven(model: Artefact, program: SOp) -> Artefact:
    """The model that was compiled from the program, with its certificate.

    Raises:
        UnprovenError: there is no proof that they are equal; names the part that is to blame.
    """
    try:
        certificate = verify(model, program, seed=_SEED, source="compiled", effort=BRIEF)
        reason = certificate.reason
    except VerificationError as error:
        certificate, reason = None, str(error)
    if certificate is None or not certificate.holds:
        raise UnprovenError(
            titled_text(program),
            program.location,
            f"there is no proof that the compiled model equals it: {reason}",
            'Use a smaller length, the other mode or dtype="float64"; prove=False gives the model as it is',
        )
    return model.with_certificate(certificate)
