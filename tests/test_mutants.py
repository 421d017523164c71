"""Faults that are planted in the source: they are the ones meant, each is one change, and each is Python."""

from __future__ import annotations

import ast
from pathlib import Path

from benchmarks.mutants import PACKAGES, SOURCE, judges_of, mutants_of

SAMPLE = '''"""Words."""
LIMIT: int = 3


class C:
    def f(self, x: int = 1) -> bool:
        if not x < 2 and x + 1:
            raise ValueError("–", 7)
        x -= 1
        return all(y == 5 for y in (x, "é", -x))
'''


def test_the_mutants_of_a_sample() -> None:
    assert [f"{mutant.line} {mutant}" for mutant in mutants_of(SAMPLE)] == [
        "7 C.f: not x < 2 and x + 1 -> (not x < 2 or x + 1)",
        "7 C.f: not x < 2 and x + 1 -> (x + 1)",
        "7 C.f: not x < 2 and x + 1 -> (not x < 2)",
        "7 C.f: not x < 2 -> (x < 2)",
        "7 C.f: x < 2 -> (x <= 2)",
        "7 C.f: 2 -> (3)",
        "7 C.f: x + 1 -> (x)",
        "7 C.f: x + 1 -> (1)",
        "7 C.f: 1 -> (2)",
        "9 C.f: x -= 1 -> pass",
        "9 C.f: 1 -> (2)",
        "10 C.f: all((y == 5 for y in (x, 'é', -x))) -> (any((y == 5 for y in (x, 'é', -x))))",
        "10 C.f: y == 5 -> (y != 5)",
        "10 C.f: 5 -> (6)",
        "10 C.f: -x -> (x)",
    ]


def test_every_mutant_is_another_module() -> None:
    source = (SOURCE / "tracrlab" / "compiler" / "sums.py").read_text()
    tree = ast.dump(ast.parse(source))
    for mutant in mutants_of(source):
        planted = mutant.planted(source)
        assert len(planted.splitlines()) <= len(source.splitlines())
        assert ast.dump(ast.parse(planted)) != tree, mutant


def test_every_module_has_tests_that_judge_it() -> None:
    assert judges_of("craft/heads.py")[0] == "tests/craft/test_heads.py"
    for package in PACKAGES:
        assert judges_of(f"{package}/any.py")
        assert all(Path(SOURCE).parent.joinpath(test).exists() for test in judges_of(f"{package}/any.py"))
