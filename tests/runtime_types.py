"""The checker of types and array shapes that pytest applies to the package while tests run."""

from __future__ import annotations

from typing import Self

from beartype import BeartypeConf, FrozenDict, beartype

checked = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # an int is a float
        hint_overrides=FrozenDict({Self: object}),  # a method is decorated outside its class, without a Self
    )
)
