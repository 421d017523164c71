"""Which cases a benchmark has: recipes, of which the same one always makes the same case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracrlab.errors import LabError
from tracrlab.rasp.library import PROGRAMS

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case
    from tracrlab.lab.subjects.plain import Mode

SUBJECTS: tuple[tuple[str, Mode], ...] = (
    ("plain", "faithful"),
    ("plain", "compact"),
    ("soft", "faithful"),
    ("noisy", "faithful"),
    ("compressed", "faithful"),
    ("rotated", "faithful"),
    ("merged", "faithful"),
)
"""The subjects of each program, with the mode that it is compiled in."""


@dataclass(frozen=True)
class Recipe:
    """What a case is made of."""

    program: str
    subject: str = "plain"
    mode: Mode = "faithful"
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of the case."""
        return f"{self.program}-{self.subject}-{self.mode}-{self.seed}"

    def made(self) -> Case:
        """The case.

        Raises:
            LabError: the subject cannot be made of this program, or does not pass its check.
        """
        from tracrlab.lab.cases import case

        return case(self.program, subject=self.subject, mode=self.mode, seed=self.seed)


@dataclass(frozen=True)
class Saved:
    """A case in a folder, which has its name."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the case."""
        return self.folder.name

    def made(self) -> Case:
        """The case.

        Raises:
            LabError: the folder holds none, or was changed.
        """
        from tracrlab.lab.folder import load

        return load(self.folder)


def saved(folder: Path) -> list[Saved]:
    """The cases in the folders of a folder.

    Raises:
        LabError: there is none.
    """
    found = [Saved(path.parent) for path in sorted(folder.glob("*/case.json"))]
    if not found:
        raise LabError(f"{folder}: there are no cases in this folder; make some with: tracrlab lab make {folder}")
    return found


def small(programs: Iterable[str] = (), subjects: Iterable[str] = (), seed: int = 0) -> list[Recipe]:
    """The recipes of the small benchmark, all programs of the library; of some programs and subjects if they are given.

    Raises:
        LabError: there is no such program or subject.
    """
    programs, subjects = list(programs) or list(PROGRAMS), list(subjects)
    known = list(dict.fromkeys(subject for subject, _ in SUBJECTS))
    for what, asked, there in (("program", programs, list(PROGRAMS)), ("subject", subjects, known)):
        if missing := [name for name in asked if name not in there]:
            raise LabError(f"the benchmark has no {what} {missing[0]!r}; there are {', '.join(there)}")
    return [
        Recipe(program, subject, mode, seed)
        for program in programs
        for subject, mode in SUBJECTS
        if not subjects or subject in subjects
    ]
