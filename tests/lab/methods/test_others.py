"""Probes, dictionaries and subspaces on models whose variables are known."""

from __future__ import annotations

import contextlib
import io
import warnings
from functools import cache

import numpy as np
import pytest

from tracrlab import lab
from tracrlab.lab.cases import Case
from tracrlab.lab.interchange import asked
from tracrlab.lab.methods import by_name

pytestmark = pytest.mark.frameworks


@cache
def case(mode: str = "faithful") -> Case:
    return lab.case("sort_unique", "123", 3, mode=mode)  # type: ignore[arg-type]


def test_probes_find_what_is_held_and_not_what_is_used() -> None:
    pytest.importorskip("sklearn")
    row = lab.score("probes", case())
    assert row.values["held_precision"] > 0.9
    assert row.values["precision"] < 0.7  # tokens can be read to the end, where nobody does


def test_a_probe_is_judged_by_types_that_it_has_not_seen() -> None:
    """After the embedding nothing knows what it takes attention to know, however few inputs there are to remember."""
    pytest.importorskip("sklearn")
    claims = by_name("probes")(case(), np.random.default_rng(0))
    sites = list(dict.fromkeys(site for _, site in case().truth.variables))
    later = [name for name, first in asked(case()) if first != sites[0]]
    assert later
    assert all(claims[name, sites[0]] < 0.9 for name in later)


@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_exchanging_the_true_dimensions_is_what_it_ought_to_be(mode: str) -> None:
    values = lab.score("true_subspace", case(mode)).values
    assert (values["cause"], values["isolation"]) == (1, 1)


def test_a_random_subspace_is_none() -> None:
    assert lab.score("random_subspace", case()).values["cause"] < 0.5


@pytest.mark.slow
def test_a_sparse_autoencoder_is_scored_beside_chance() -> None:
    values = lab.score("sae", case()).values
    assert values["mmcs"] > values["random"]
    assert 0 <= values["recovered"] <= 1


@pytest.mark.slow
def test_das_finds_a_subspace_that_nobody_has_shown_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        pytest.importorskip("pyvene", reason="pip install 'tracrlab[pyvene]'")
        monkeypatch.setattr("tracrlab.lab.methods.subspaces.STEPS", 60)
        values = lab.score("das", case()).values
    assert values["cause"] > lab.score("random_subspace", case()).values["cause"]
