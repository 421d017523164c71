"""A run that was interrupted goes on where it was, a method that fails harms no other, and both say so."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracrlab.errors import LabError, MethodError
from tracrlab.lab import journal
from tracrlab.lab.benchmark import run
from tracrlab.lab.recipes import Recipe, small

pytest.importorskip("joblib")
pytestmark = pytest.mark.frameworks

MINE = """
    from pathlib import Path
    from tracrlab import lab

    @lab.method("edges")
    def counted(case, rng):
        '''Leaves a mark each time.'''
        with Path("calls").open("a") as stream:
            stream.write(case.name + "\\n")
        return {case.edges[0]: 1.0}

    @lab.method("edges")
    def broken(case, rng):
        return {case.edges[0]: float("nan")}

    @lab.method("edges")
    def raising(case, rng):
        raise KeyError("a")
"""
RECIPES = [Recipe("count"), Recipe("count", mode="compact")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder to work in, with a module of a user, of another name in each test."""
    name = f"mine_{request.node.name.partition('[')[0]}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MINE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def mine(request: pytest.FixtureRequest, name: str) -> str:
    return f"mine_{request.node.name.partition('[')[0]}:{name}"


def test_what_is_finished_is_not_run_again(folder: Path, request: pytest.FixtureRequest) -> None:
    counted, results = mine(request, "counted"), folder / "results"
    first = run(RECIPES[:1], [counted], results)
    assert (len(first.rows), first.refused) == (1, ())
    both = run(RECIPES, [counted, "all_edges"], results)
    assert {(row.case, row.method) for row in both.rows} == {
        (recipe.name, method) for recipe in RECIPES for method in ("counted", "all_edges")
    }
    assert sorted((folder / "calls").read_text().split()) == sorted(recipe.name for recipe in RECIPES)
    assert {row.values["auroc"] for row in both.rows if row.method == "all_edges"} == {0.5}


def test_a_method_that_fails_harms_no_other_and_is_tried_again(folder: Path, request: pytest.FixtureRequest) -> None:
    names = [mine(request, "broken"), mine(request, "raising"), mine(request, "counted")]
    for _ in range(2):
        rows = {row.method: row for row in run(RECIPES[:1], names, folder / "results").rows}
        assert "broken on count-plain-faithful-0: tokens->a0.h0<q> gets nan" in (rows["broken"].error or "")
        assert "raising on count-plain-faithful-0: KeyError: 'a'" in (rows["raising"].error or "")
        assert rows["counted"].error is None
    assert len((folder / "results" / "count-plain-faithful-0.jsonl").read_text().splitlines()) == 5


def test_a_case_that_cannot_be_made_is_named(folder: Path) -> None:
    found = run([Recipe("count", subject="no such")], ["all_edges"], folder / "results")
    assert found.rows == ()
    assert found.refused[0].startswith("count-no such-faithful-0: ")


def test_an_unknown_method_is_refused_before_anything_is_run(folder: Path) -> None:
    with pytest.raises(MethodError):
        run(RECIPES, ["all_edges", "nothing"], folder / "results")
    assert not list(folder.glob("results/*"))


def test_the_small_benchmark_is_every_program_with_every_subject() -> None:
    recipes = small()
    assert len({recipe.name for recipe in recipes}) == len(recipes) >= 50
    assert [recipe.program for recipe in small(["sort"], ["plain"])] == ["sort", "sort"]
    with pytest.raises(LabError, match="no program 'sortt'"):
        small(["sortt"])
    with pytest.raises(LabError, match="no subject 'plane'"):
        small(subjects=["plane"])


@pytest.mark.slow
def test_processes_give_the_same_rows(folder: Path) -> None:
    one, two = (
        [row.values for row in sorted(run(RECIPES, ["random", "eap"], folder / name, jobs=jobs).rows, key=str)]
        for name, jobs in (("one", 1), ("two", 2))
    )
    assert one == two
    assert len(journal.rows((folder / "two").glob("*.jsonl"))) == 4
