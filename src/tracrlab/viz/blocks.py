"""Drawings as data: boxes and texts at places, put beside and below one another.

Lengths are in points, x runs to the right and y downwards. All text is in one monospaced font, so how wide it is
follows from how many characters it has.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

FONT_SIZE = 9.0
CHARACTER = 0.602 * FONT_SIZE
LINE = 16.0

Align = Literal["left", "center", "right"]


class Role(enum.Enum):
    """What a box or a text stands for, which decides its colour."""

    PLAIN = "plain"
    FRAME = "frame"
    STEP = "step"
    KEY = "key"
    QUERY = "query"
    UNSELECTED = "unselected"
    SELECTED = "selected"
    VALUE = "value"
    RESULT = "result"
    FAINT = "faint"
    HEADING = "heading"


@dataclass(frozen=True)
class Box:
    """A rectangle, by its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    role: Role


@dataclass(frozen=True)
class Label:
    """A line of text; ``x`` is its left end, middle or right end, ``y`` the middle of its height."""

    x: float
    y: float
    text: str
    align: Align
    role: Role

    @property
    def width(self) -> float:
        """How wide it is."""
        return text_width(self.text)


@dataclass(frozen=True)
class Block:
    """Boxes and labels within a rectangle whose upper left corner is the origin; what comes later lies above."""

    width: float
    height: float
    boxes: tuple[Box, ...] = ()
    labels: tuple[Label, ...] = ()


def text_width(text: str) -> float:
    """How wide a line of text is."""
    return CHARACTER * len(text)


def line(text: str, role: Role = Role.PLAIN) -> Block:
    """A line of text of its own width."""
    return Block(text_width(text), LINE, labels=(Label(0, LINE / 2, text, "left", role),))


def placed(blocks: Sequence[tuple[float, float, Block]], width: float, height: float) -> Block:
    """Blocks, each with the place of its upper left corner, as one of the given size."""
    boxes = (replace(box, x=box.x + x, y=box.y + y) for x, y, block in blocks for box in block.boxes)
    labels = (replace(label, x=label.x + x, y=label.y + y) for x, y, block in blocks for label in block.labels)
    return Block(width, height, tuple(boxes), tuple(labels))


def beside(blocks: Sequence[Block], gap: float) -> Block:
    """Blocks from left to right, their upper edges aligned."""
    lefts = _starts([block.width for block in blocks], gap)
    height = max((block.height for block in blocks), default=0.0)
    return placed([(x, 0.0, block) for x, block in zip(lefts, blocks, strict=False)], max(0.0, lefts[-1] - gap), height)


def below(blocks: Sequence[Block], gap: float = 0.0) -> Block:
    """Blocks from top to bottom, their left edges aligned."""
    tops = _starts([block.height for block in blocks], gap)
    width = max((block.width for block in blocks), default=0.0)
    return placed([(0.0, y, block) for y, block in zip(tops, blocks, strict=False)], width, max(0.0, tops[-1] - gap))


def _starts(lengths: Sequence[float], gap: float) -> list[float]:
    """Where each of some intervals in a row starts, and where another one would."""
    starts = [0.0]
    for length in lengths:
        starts.append(starts[-1] + length + gap)
    return starts


def wrapped(blocks: Sequence[Block], width: float, gap: float) -> Block:
    """Blocks from left to right, in as many rows as it takes to keep to a width that none exceeds alone."""
    rows: list[list[Block]] = []
    room = -1.0
    for block in blocks:
        if not rows or block.width > room:
            rows.append([])
            room = width
        rows[-1].append(block)
        room -= block.width + gap
    return below([beside(row, gap) for row in rows], gap)


def framed(block: Block, padding: float, role: Role = Role.FRAME) -> Block:
    """A block with space and a box around it."""
    width, height = block.width + 2 * padding, block.height + 2 * padding
    inner = placed([(padding, padding, block)], width, height)
    return replace(inner, boxes=(Box(0.0, 0.0, width, height, role), *inner.boxes))


def widened(block: Block, width: float) -> Block:
    """A framed block whose frame, its first box, is made at least as wide."""
    frame, *boxes = block.boxes
    width = max(width, block.width)
    return replace(block, width=width, boxes=(replace(frame, width=width), *boxes))
