"""The examples in the docstrings of the language."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from tracrlab import rasp

MODULES = ["tracrlab.rasp", *(f"tracrlab.rasp.{module.name}" for module in pkgutil.iter_modules(rasp.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_library_function_has_an_example() -> None:
    from tracrlab.rasp.library import PROGRAMS

    assert [name for name, program in PROGRAMS.items() if ">>>" not in (program.build.__doc__ or "")] == []
