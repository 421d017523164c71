"""A case that is saved and loaded is the same; a folder that was changed by hand is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.lab.cases import small_case
from tracrlab import lab
from tracrlab.errors import ModelFileError

pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize(("name", "kind"), [("reverse", "plain"), ("frac_prevs", "rotated"), ("reverse", "merged")])
def test_a_case_is_the_same_when_it_is_loaded(name: str, kind: str, tmp_path: Path) -> None:
    case = small_case(name, kind)
    lab.save(case, tmp_path / "case")
    again = lab.load(tmp_path / "case")
    assert again.name == case.name and again.truth.edges == case.truth.edges
    assert again.truth.variables == case.truth.variables and again.truth.circuit == case.truth.circuit
    with torch.no_grad():
        assert torch.equal(again.module(case.inputs.tensor), case.module(case.inputs.tensor))
    for split in ("train", "test"):
        for column in ("ids", "corrupt_ids", "answers", "corrupt_answers", "scored", "taken"):
            assert torch.equal(getattr(again.pairs(split), column), getattr(case.pairs(split), column))
    assert (again.frame == case.frame).all() and (again.truth.directions.vectors == case.truth.directions.vectors).all()
    assert again.pairs("test", 32).ids.tolist() == case.pairs("test", 32).ids.tolist()
    edge = next(iter(case.truth.circuit))
    replaced = [lab_run(each, edge) for each in (case, again)]
    assert torch.equal(*replaced)
    assert "# " + case.name in (tmp_path / "case" / "CARD.md").read_text()


def lab_run(case: lab.Case, edge: lab.Edge) -> torch.Tensor:
    from tracrlab.learn import run

    with torch.no_grad():
        return run(case.module, case.pairs().ids, {edge: case.pairs().other()})


def test_what_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    lab.save(small_case("reverse"), tmp_path)
    original = (tmp_path / "case.json").read_text()
    data = json.loads(original)
    edge = next(iter(data["edges"]))
    data["edges"][edge]["structural"] = not data["edges"][edge]["structural"]
    (tmp_path / "case.json").write_text(json.dumps(data))
    with pytest.raises(ModelFileError, match=r"case\.json has been changed since it was written; make the case again"):
        lab.load(tmp_path)
    (tmp_path / "case.json").write_text(original[:-10])
    with pytest.raises(ModelFileError, match=r"does not hold a case: case\.json: it is no JSON"):
        lab.load(tmp_path)
    (tmp_path / "case.json").write_text(original)
    (tmp_path / "pairs.parquet").write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match=r"pairs\.parquet: it is not the one saved with case\.json"):
        lab.load(tmp_path)
    with pytest.raises(ModelFileError, match=r"cannot read case\.json"):
        lab.load(tmp_path / "elsewhere")
