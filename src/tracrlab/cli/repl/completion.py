"""What Tab can add to a text at the prompt."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tracrlab.cli.repl.commands import WORDS
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.textual.parser import keywords
from tracrlab.rasp.textual.session import Session

FORMS = frozenset({"select(", "aggregate(", "range(", "zip(", "len(", "s-op", "full seq display"})
"""What the language writes in several signs that belong together: no space comes before those parentheses."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_WORD = re.compile(rf"{_NAME}\Z")
_PATH = re.compile(r'(?:^|[;{}\s])load\s*"([^"\n]*)\Z')
_OF_COMMAND = re.compile(rf"\s*(?:compile|trace)\s+({_NAME})?\Z")
_IN_CODE = re.compile(r'(?:"[^"]*"|[^"#])*\Z')  # a line up to a place that is in no string and no comment


def completions(text: str, session: Session) -> tuple[str, list[str]]:
    """What has been typed of a word or path at the end of a text, and what it can become, sorted."""
    line = text.rpartition("\n")[2]
    if path := _PATH.search(line):
        return path[1], _sorted_by_start(path[1], _rasp_files(path[1]))
    if not _IN_CODE.match(line):
        return "", []
    if of_command := _OF_COMMAND.match(text):
        start = of_command[1] or ""
        names = session.environment.names
        return start, _sorted_by_start(start, (name for name in names if isinstance(names[name], SOp)))
    word = _WORD.search(text)
    if not word:
        return "", []
    words = {*session.environment.visible(), *keywords(), *FORMS}
    if not text[: word.start()].strip():
        words.update(WORDS)
    return word[0], _sorted_by_start(word[0], words)


def _sorted_by_start(start: str, words: Iterable[str]) -> list[str]:
    return sorted(word for word in words if word.startswith(start))


def _rasp_files(path: str) -> list[str]:
    """Folders and RASP files beside a path, as a ``load`` statement names them: without the suffix."""
    folder = path[: path.rfind("/") + 1]
    try:
        entries = list(os.scandir(folder or "."))
    except (OSError, ValueError):
        return []
    folders = [f"{folder}{entry.name}/" for entry in entries if entry.is_dir()]
    return folders + [folder + Path(entry.name).stem for entry in entries if entry.name.endswith(".rasp")]
