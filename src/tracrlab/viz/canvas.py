"""Drawings put on paper by matplotlib, as figures and as files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracrlab.errors import DrawingError
from tracrlab.extras import require
from tracrlab.files import check_output, complaint, is_stream, write_output
from tracrlab.viz.blocks import FONT_SIZE, Block, Box, Role

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
POINTS_PER_INCH = 72
_FONT = "DejaVu Sans Mono"  # it comes with matplotlib
_PIXELS_PER_INCH, _MOST_PIXELS = 144, 20_000  # of a PNG: how fine, and how many along a side at most

# The colours of Okabe and Ito, which people with any kind of colour vision tell apart; light where black text stands on
# them.
_FILLS = {
    Role.FRAME: "#ffffff",
    Role.STEP: "#f0f0f0",
    Role.KEY: "#b8def5",
    Role.QUERY: "#f7d690",
    Role.UNSELECTED: "#fafafa",
    Role.SELECTED: "#0072b2",
    Role.VALUE: "#f5eda0",
    Role.RESULT: "#8fd4bb",
}
_EDGES = {Role.FRAME: "#999999"}
_EDGE = "#cccccc"
_INKS = {Role.SELECTED: "#ffffff", Role.FAINT: "#666666"}


_METADATA: Mapping[str, Mapping[str, Any]] = {
    "svg": {"Date": None, "Creator": "Tracr Lab"},
    "pdf": {"CreationDate": None, "Creator": "Tracr Lab", "Producer": None},
    "png": {"Software": "Tracr Lab"},
}


def picture_kind(path: str | PathLike[str]) -> str:
    """The format of a drawing at a path, by its suffix: ``"svg"``, ``"png"`` or ``"pdf"``; of pipes without one, SVG.

    Raises:
        DrawingError: no drawing can be written there.
    """
    suffix = Path(path).suffix.lower()
    try:
        if suffix not in SUFFIXES and is_stream(path):
            return "svg"
        check_output(path)
    except OSError as error:
        raise DrawingError(complaint(path, error)) from error
    if suffix not in SUFFIXES:
        raise DrawingError(f"{path}: a drawing is written as {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}; name it so")
    return suffix[1:]


def drawable(text: str) -> str:
    """The text on one line, with the characters that cannot be drawn escaped as in Python.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    known = _known_characters()
    return "".join(sign if sign.isprintable() and ord(sign) in known else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


@cache
def _known_characters() -> frozenset[int]:
    """The code points that the font has."""
    require("matplotlib", extra="viz", purpose="drawing")
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=_FONT))).get_charmap())


def figure_of(block: Block) -> Figure:
    """A figure of the size of the drawing, which belongs to no window and no global state.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require("matplotlib", extra="viz", purpose="drawing")
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline
    from matplotlib.transforms import Affine2D

    with drawing_settings():
        figure = Figure(figsize=(block.width / POINTS_PER_INCH, block.height / POINTS_PER_INCH))
        inches = Affine2D().scale(1 / POINTS_PER_INCH, -1 / POINTS_PER_INCH)
        points = inches.translate(0, block.height / POINTS_PER_INCH) + figure.dpi_scale_trans
        for role, boxes in _by_role(block.boxes).items():
            outline = Outline.make_compound_path(*map(_outline, boxes))
            edge = _EDGES.get(role, _EDGE)
            figure.add_artist(
                PathPatch(outline, facecolor=_FILLS[role], edgecolor=edge, linewidth=0.5, transform=points)
            )
        for label in block.labels:
            figure.text(
                label.x,
                label.y,
                label.text,
                transform=points,
                horizontalalignment=label.align,
                verticalalignment="center_baseline",
                color=_INKS.get(label.role, "#000000"),
                weight="bold" if label.role is Role.HEADING else "normal",
                size=FONT_SIZE,
                parse_math=False,
            )
    return figure


def picture(figure: Figure, kind: str) -> bytes:
    """A figure as a file of a kind that :func:`picture_kind` names: the same figure always gives the same bytes."""
    content = io.BytesIO()
    longest = max(figure.get_size_inches())
    with drawing_settings():
        figure.savefig(
            content, format=kind, metadata=dict(_METADATA[kind]), dpi=min(_PIXELS_PER_INCH, _MOST_PIXELS / longest)
        )
    return content.getvalue()


def write_figure(figure: Figure, path: str | PathLike[str]) -> None:
    """Write a figure in the format of the path's suffix, as a whole or not at all.

    Raises:
        DrawingError: the suffix is not that of a format, or the file cannot be written.
    """
    content = picture(figure, picture_kind(path))
    try:
        write_output(path, content)
    except OSError as error:
        raise DrawingError(complaint(path, error)) from error


@contextmanager
def drawing_settings() -> Iterator[None]:
    """Matplotlib's own settings instead of a user's, text as text in SVG, and the same file for the same drawing."""
    import matplotlib
    from matplotlib.style import context

    settings: dict[Any, Any] = {
        "font.family": "monospace",
        "font.monospace": [_FONT, "monospace"],
        "svg.fonttype": "none",
        "svg.hashsalt": "tracrlab",
        "pdf.fonttype": 42,
    }
    with context("default"), matplotlib.rc_context(settings):
        yield


def _by_role(boxes: tuple[Box, ...]) -> dict[Role, list[Box]]:
    """The boxes by role, frames first, since they lie below the others."""
    sorted_boxes: dict[Role, list[Box]] = {Role.FRAME: []}
    for box in boxes:
        sorted_boxes.setdefault(box.role, []).append(box)
    return {role: group for role, group in sorted_boxes.items() if group}


def _outline(box: Box) -> Any:
    from matplotlib.path import Path as Outline

    right, bottom = box.x + box.width, box.y + box.height
    corners = [(box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom), (box.x, box.y)]
    return Outline(corners, closed=True)
