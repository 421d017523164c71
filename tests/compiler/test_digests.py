"""Compiling gives the same bytes whatever the processor, threads and hash seed, and here what it gave elsewhere."""

from __future__ import annotations

import json
from functools import cache

import pytest

from benchmarks.digests import KEPT, SETTINGS, cases, differences, digests, digests_under

_TRICKY = ("hist2", "sort_freq", "shuffle_dyck", "addition")  # counts by computed counts, and many terms


_WANTED = cases(("frac_prevs", "sort", "hist2"), (6,)) + cases(_TRICKY, (12,), ("float32",), ("compact",))


@cache
def digests_here() -> dict[str, str]:
    return digests(_WANTED)


@pytest.mark.parametrize("setting", SETTINGS)
def test_models_are_the_same_under_other_kernels_threads_and_hash_seeds(setting: str) -> None:
    assert not differences({"here": digests_here(), setting: digests_under(SETTINGS[setting], _WANTED)})


def test_models_are_those_that_the_repository_keeps_digests_of() -> None:
    """Renew them with ``python -m benchmarks.digests write`` where the compiler is meant to give something else."""
    kept = json.loads(KEPT.read_text())
    wanted = cases(("frac_prevs", "sort", "shuffle_dyck", "addition"), (5,)) + cases(
        _TRICKY, (20,), ("float32",), ("compact",)
    )
    found = digests(wanted)
    assert not differences({"kept": {case: kept[case] for case in found}, "here": found})
