"""Planted faults: whenever a changed weight changes some answer, the certificate is refused."""

from __future__ import annotations

from typing import Literal

import pytest

from benchmarks.mutations import small_model, tally_of


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("name", ["hist", "reverse", "sort", "frac_prevs", "shift_by", "detect_pattern"])
def test_every_harmful_change_of_a_weight_is_noticed(name: str, mode: Literal["faithful", "compact"]) -> None:
    tally = tally_of(small_model(name, mode), 25, seed=7)
    assert not tally.missed
    assert tally.harmful > 3
    assert tally.rejected < tally.harmless
