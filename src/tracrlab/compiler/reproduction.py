"""Verifying a model against its program, which is compiled again; being deterministic, that gives the same bytes."""

from __future__ import annotations

from typing import Literal, cast

from tracrlab.compiler.driver import compile_program
from tracrlab.compiler.fit import Architecture
from tracrlab.craft.formats import Dtype
from tracrlab.errors import CompileError
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate, Source
from tracrlab.model.digest import model_digest
from tracrlab.rasp.expressions import SOp
from tracrlab.verify.verifier import verify


def verify_compiled(
    model: Artefact, program: SOp | None, *, exhaustive: bool = False, dtype: str | None = None
) -> Certificate:
    """As :func:`tracrlab.verify.verifier.verify`; the program, if given, is also compiled again and compared.

    Raises:
        VerificationError, TypeError: as there.
    """
    source = _source(model, program) if isinstance(program, SOp) else "unknown"
    return verify(model, program, exhaustive=exhaustive, dtype=dtype, source=source)


def _source(model: Artefact, program: SOp) -> Source:
    """Whether compiling the program as the model was compiled gives the same model.

    Unproven, the first that can be built comes out, which is nearly always the one; only otherwise are those before it
    proven again.
    """
    digest, found = model_digest(model), False
    for prove in (False, True):
        again = _compiled_again(model, program, prove=prove)
        if again is not None and model_digest(again) == digest:
            return "compiled again"
        found |= again is not None
    return "other bytes" if found else "unknown"


def _compiled_again(model: Artefact, program: SOp, *, prove: bool) -> Artefact | None:
    """What compiling the program with the options of the model gives; nothing if these are not known, or it fails."""
    config, recipe = model.config, model.recipe
    if recipe is None:
        return None
    try:
        return compile_program(
            program,
            config.vocab,
            config.max_seq_len,
            causal=config.causal,
            mode=cast("Literal['faithful', 'compact']", config.mode),
            passes=recipe.passes,
            fit=None if recipe.fit is None else Architecture(**dict(recipe.fit)),
            bos=config.bos,
            pad=config.pad,
            dtype=cast("Dtype", config.dtype),
            most_combinations=recipe.most_combinations,
            grounds=recipe.grounds,
            robust=recipe.robust,
            prove=prove,
        )
    except CompileError:
        return None
