"""Numbers as colours that people with any kind of colour vision tell apart, and the scale that explains them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracrlab.shapes import Float
from tracrlab.viz.figures.page import FONT, Page, text_width

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

GROUND = "#f7f7f7"  # where a number is zero
_SEQUENTIAL, _DIVERGING = "cividis_r", "PuOr"  # perceptually uniform; and for numbers of both signs


SCALE_WIDTH = 54.0
"""How wide the scale of colours is in points, without the texts at its ends."""


def colours(
    shares: Float[np.ndarray, " number"], *, signed: bool, pale: bool = False
) -> Float[np.ndarray, "number rgba"]:
    """The colours of numbers between -1 and 1, or if not ``signed`` between 0 and 1; pale ones carry black text."""
    places = (np.clip(shares, -1, 1) + 1) / 2 if signed else np.clip(shares, 0, 1)
    found: np.ndarray = np.asarray(_map(signed)(places))
    return 0.45 * found + 0.55 if pale else found


def draw_scale(page: Page, x: float, y: float, low: str, high: str, *, signed: bool) -> float:
    """The scale of colours from ``low`` to ``high`` with its middle at ``y``; where it ends."""
    steps, width, height = 24, SCALE_WIDTH - 6, 5.0
    page.text(x, y, low)
    x += text_width(low, FONT) + 3
    shares = np.linspace(-1 if signed else 0, 1, steps)
    ones = np.ones(steps)
    left = x + width / steps * np.arange(steps)
    boxes = np.stack([left, (y - height / 2) * ones, width / steps * ones, height * ones], 1)
    page.boxes(boxes, [tuple(colour) for colour in colours(shares, signed=signed).tolist()])
    page.boxes(np.array([[x, y - height / 2, width, height]]), edge="#999999", width=0.4)
    page.text(x + width + 3, y, high)
    return x + width + 3 + text_width(high, FONT)


def _map(signed: bool) -> Colormap:
    import matplotlib

    return matplotlib.colormaps[_DIVERGING if signed else _SEQUENTIAL]
