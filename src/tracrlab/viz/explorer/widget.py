"""The explorer in a notebook: Jupyter, VS Code, marimo and others that know anywidget."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from tracrlab.extras import require
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value
from tracrlab.viz.explorer.bundle import script, style
from tracrlab.viz.explorer.payload import explorer_payload


def explorer_widget(
    model: Artefact, tokens: Sequence[Value], *, program: SOp | None = None, reduced: bool = False
) -> Any:
    """A widget that shows the explorer; ``widget.tokens`` are the ids of the tokens that are typed there.

    Raises:
        MissingDependencyError: anywidget is not installed.
        InputError, DrawingError: as for :func:`tracrlab.viz.explorer.payload.explorer_payload`.
    """
    widget_class = _widget_class()
    payload = explorer_payload(model, tokens, program=program, reduced=reduced)
    return widget_class(payload=payload, tokens=model.encode([tokens])[0, 1:].tolist())


@cache
def _widget_class() -> Any:
    anywidget = require("anywidget", extra="explore", purpose="explore")
    traitlets = require("traitlets", extra="explore", purpose="explore")

    class ExplorerWidget(anywidget.AnyWidget):  # type: ignore[misc, name-defined]
        _esm = script("widget.js")
        _css = style()
        payload = traitlets.Unicode().tag(sync=True)
        tokens = traitlets.List(traitlets.Int()).tag(sync=True)

    return ExplorerWidget
