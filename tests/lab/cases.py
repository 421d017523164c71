"""Cases that the tests of this folder share."""

from __future__ import annotations

from functools import cache
from typing import Literal

from tests.learn.plain_transformer import Plain
from tracrlab import lab


@cache
def small_case(name: str, subject: str = "plain", mode: Literal["faithful", "compact"] = "faithful") -> lab.Case:
    """A case of a library program on inputs of at most three tokens."""
    from tracrlab.lab.small import VOCABULARIES

    return lab.case(name, VOCABULARIES[name], 3, subject=subject, mode=mode)


def plain_of(case: lab.Case) -> Plain:
    """The module by its definition."""
    parameters = {name: tensor.detach().numpy() for name, tensor in case.module.named_parameters()}
    return Plain(parameters, case.module.config, case.module.form)
