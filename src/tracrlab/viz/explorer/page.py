"""The explorer as one file that opens offline and asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from os import PathLike

from tracrlab.errors import DrawingError
from tracrlab.files import complaint, write_output
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value
from tracrlab.viz.explorer.bundle import script, style
from tracrlab.viz.explorer.payload import explorer_payload
from tracrlab.viz.explorer.source import SourceFile

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="tl-page">
<main id="explorer"></main>
<script type="application/json" id="payload">{payload}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def explorer_page(
    model: Artefact,
    tokens: Sequence[Value],
    *,
    program: SOp | None = None,
    source: SourceFile | None = None,
    reduced: bool = False,
) -> str:
    """The page's text. Its security policy names the one script and style that run, and forbids all requests.

    Raises:
        InputError, DrawingError: as for :func:`tracrlab.viz.explorer.payload.explorer_payload`, which says what the
            arguments are.
    """
    payload = explorer_payload(model, tokens, program=program, source=source, reduced=reduced)
    code, css = script("page.js"), style()
    policy = f"default-src 'none'; script-src {digest(code)}; style-src {digest(css)}; base-uri 'none'"
    return _PAGE.format(
        policy=policy,
        title=html.escape(f"{model.output_name} – Tracr Lab"),
        style=css,
        payload=payload.replace("<", "\\u003c"),  # so that no text of the model ends the element
        script=code,
    )


def write_page(
    model: Artefact,
    tokens: Sequence[Value],
    path: str | PathLike[str],
    *,
    program: SOp | None = None,
    source: SourceFile | None = None,
    reduced: bool = False,
) -> None:
    """Write the page as a file, which appears as a whole or not at all.

    Raises:
        DrawingError: the model is too large for a page, or the file cannot be written.
        InputError: as for :func:`explorer_page`.
    """
    page = explorer_page(model, tokens, program=program, source=source, reduced=reduced)
    try:
        write_output(path, page.encode())
    except OSError as error:
        raise DrawingError(complaint(path, error)) from error


def digest(text: str) -> str:
    """A script or style as a security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
