"""What is said of stock architectures on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tracrlab.export.targets import Activation, Target


def check_target_options(target: Target | None, activation: Activation | None, *, causal: bool) -> None:
    """Refuse what cannot be before anything is compiled."""
    if target is not None:
        from tracrlab.export.targets import check_target

        check_target(target, activation, causal=causal)
    elif activation is not None:
        raise click.UsageError("--activation belongs to --target.")
