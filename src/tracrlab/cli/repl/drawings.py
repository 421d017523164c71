"""The files that ``draw`` writes at the prompt."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

from tracrlab.rasp.expressions import Expression


class Drawings:
    """Draws into the working directory, over its own drawings but over nothing else."""

    def __init__(self) -> None:
        self._written: set[Path] = set()

    def draw(self, expression: Expression, sequence: Any) -> Path:
        """Draw how an s-op or selector is computed on an input; the file, named after the s-op or selector.

        Raises:
            TracrLabError: it cannot be drawn, or what draws is not installed.
        """
        from tracrlab.viz import draw_flow

        path = self._path(expression.name or "out")
        draw_flow(expression, sequence, path)
        self._written.add(path.resolve())
        return path

    def _path(self, name: str) -> Path:
        numbered = (Path(f"{name}-{number}.svg") for number in itertools.count(2))
        for path in itertools.chain([Path(f"{name}.svg")], numbered):
            if path.resolve() in self._written or not os.path.lexists(path):
                return path
        raise AssertionError("numbers do not end")
