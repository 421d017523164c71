"""The page's script and style: the modules of ``assets`` as one text, since a page that opens offline cannot import.

A module's imports stand at its beginning, a line each, and name what they import. They say which modules come first; in
the bundle they go, as do the words ``export``. All modules then share one scope, so no two may declare one name.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.{1,2}/[\w./]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class)", re.MULTILINE)
_DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)


@cache
def script(entry: str) -> str:
    """The module ``entry`` of ``assets`` after all that it imports, as the text of one module."""
    order: dict[str, str] = {}
    _collect(entry, order)
    names = [name for text in order.values() for name in _DECLARED.findall(text)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"several modules declare {', '.join(sorted(twice))}")
    return "\n".join(f"// {name}\n{_EXPORT.sub('', _IMPORT.sub('', text))}" for name, text in order.items())


@cache
def style() -> str:
    """The style sheet."""
    return asset("explorer.css")


def asset(name: str) -> str:
    """The text of a file of ``assets``."""
    return resources.files("tracrlab.viz.explorer").joinpath("assets", name).read_text(encoding="utf-8")


def _collect(name: str, order: dict[str, str]) -> None:
    """Add a module to ``order``, after the modules that it imports and that are not there yet."""
    text = asset(name)
    for path in _IMPORT.findall(text):
        imported = _resolved(name, path)
        if imported not in order:
            _collect(imported, order)
    order[name] = text


def _resolved(importer: str, path: str) -> str:
    parts = importer.split("/")[:-1]
    for step in path.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)
