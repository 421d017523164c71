"""The commands ``graft`` and ``hosts``: a checkpoint that others load, or one line that says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from transformers import AutoModelForCausalLM

from tests.inject.tiny_hosts import tiny_host, tiny_model, tiny_tokenizer
from tracrlab.cli.main import main

pytestmark = [pytest.mark.frameworks]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("graft")
    tiny_host().save_pretrained(place / "host")
    tiny_tokenizer().save_pretrained(place / "host")
    tiny_model().save_pretrained(place / "model")
    (place / "map.json").write_text(json.dumps({"filler": "_", "answers": {"yes": 1, "no": 2}}))
    return place


def test_a_graft_is_saved_and_said_to_be_proven(folder: Path) -> None:
    result = run(
        "graft", folder / "model", "--host", folder / "host", "--map", folder / "map.json", "-o", folder / "out"
    )
    assert result.exit_code == 0, result.output
    assert "proven for every prompt over the 18 tokens" in result.output
    assert type(AutoModelForCausalLM.from_pretrained(folder / "out")).__name__ == "LlamaForCausalLM"


def test_errors_are_one_line(folder: Path) -> None:
    host = ("--host", folder / "host", "-o", folder / "other")
    for arguments, reason in (
        (("graft", folder / "model", *host), "--map"),
        (("graft", "task:sorting", *host), "no task 'sorting'"),
        (("graft", folder / "model", "--host", folder, "-o", folder / "other"), "no config.json"),
        (("graft", folder / "model", *host, "--map", folder / "no.json"), "cannot read"),
        (("graft", "task:count", *host), "no single token"),
        (("hosts", "gpt5"), "there are stories15M"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2 and reason in result.output, (arguments, result.output)
        assert len(result.output.strip().splitlines()) == 1
        assert not (folder / "other").exists()


def test_hosts_are_listed_with_their_licences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACRLAB_HOSTS", str(tmp_path))
    result = run("hosts")
    assert result.exit_code == 0
    assert "MIT" in result.output and "Apache-2.0" in result.output
