"""The last stage: a model is proven and tried before it is given away, or refused."""

from __future__ import annotations

from tracrlab.errors import UnprovenError
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.text import titled_text
from tracrlab.verify.trial import BRIEF
from tracrlab.verify.verifier import verify

_SEED = 0  # of the few random inputs that are tried while compiling, which is to give the same everywhere


def proven(model: Artefact, program: SOp) -> Artefact:
    """The model that was compiled from the program, with its certificate.

    Raises:
        UnprovenError: there is no proof that they are equal; names the part that is to blame.
    """
    certificate = verify(model, program, seed=_SEED, source="compiled", effort=BRIEF)
    if not certificate.holds:
        raise UnprovenError(
            titled_text(program),
            program.location,
            f"there is no proof that the compiled model equals it: {certificate.reason}",
            'Use a smaller length, the other mode or dtype="float64"; prove=False gives the model as it is',
        )
    return model.with_certificate(certificate)
