"""Sublayers come in the order in which they are computed; layers, heads and neurons have one spelling, from 0."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from tracrlab.cli.main import main
from tracrlab.model.sublayers import EMBEDDING, Sublayer, head_name, neurons_name, sublayers

OLD = re.compile(r"\b(attn|mlp|head|neurons?) \d|\blayer \d|\battn \d\.\d")


def test_sublayers_are_ordered_and_named() -> None:
    assert list(map(str, sublayers(2))) == ["embed", "a0", "m0", "a1", "m1"]
    assert list(sublayers(2)) == sorted(sublayers(2))
    assert EMBEDDING < Sublayer.attention(0) < Sublayer.mlp(0) < Sublayer.attention(1) < Sublayer.end(2)
    assert f"{Sublayer.mlp(3)}" == repr(Sublayer.mlp(3)) == "m3"


@pytest.mark.parametrize("sublayer", sublayers(3))
def test_each_sublayer_is_next_to_those_beside_it(sublayer: Sublayer) -> None:
    assert sublayer.before < sublayer < sublayer.after
    assert sublayer.after.before == sublayer
    assert (sublayer.is_attention, sublayer.is_mlp) == (str(sublayer)[0] == "a", str(sublayer)[0] == "m")


def test_files_hold_numbers() -> None:
    assert json.dumps([EMBEDDING, Sublayer.mlp(0)]) == "[-1, 1]"


def test_heads_and_neurons_have_names() -> None:
    assert head_name(0, 1) == "a0.h1"
    assert [neurons_name(0, range(3, 4)), neurons_name(2, range(9))] == ["m0.n3", "m2.n0–8"]


@pytest.mark.parametrize(
    "arguments",
    [
        "info sort_unique",
        "info hist --mode compact",
        "trace sort_unique --vocab abc --input cab --all",
        "trace sort_unique --vocab abc --input cab --patterns",
        "verify sort_unique --vocab abc --max-len 4",
        "verify sort_unique --vocab abc --max-len 4 --mode compact",
        "verify hist --vocab abc --max-len 4 -o -",
    ],
)
def test_commands_do_not_count_from_one(arguments: str) -> None:
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == 0, result.output
    assert not OLD.search(result.output)
    assert re.search(r"\ba0\b|\bm0\b", result.output)


def test_flows_begin_with_layer_0() -> None:
    result = CliRunner().invoke(main, ["draw", "reverse", "--input", "hello", "-o", "-"])
    assert result.exit_code == 0, result.output
    assert re.findall(r">layer (\d+)<", result.output) == ["0", "1"]
