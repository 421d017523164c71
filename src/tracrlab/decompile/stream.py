"""The residual stream as a sum of variables, each with a vector for each of its classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tracrlab.decompile.functions import first_rows, is_function, joint_codes
from tracrlab.decompile.nodes import Node
from tracrlab.rasp.batches import Batch
from tracrlab.shapes import Float, Int

_TRACE = 1e-6  # a variable is read if it moves what reads it by more than this share of what moves it most


@dataclass(eq=False)
class Held:
    """A variable in the residual stream, and the vector that stands for each of its classes."""

    node: Node
    images: Float[np.ndarray, "class d_model"]


@dataclass(frozen=True, eq=False)
class Written:
    """What a part writes: its class at every position, and the vector of each class."""

    codes: Int[np.ndarray, "input position"]
    images: Float[np.ndarray, "class d_model"]
    place: str


@dataclass(frozen=True, eq=False)
class States:
    """The combinations of classes that occur: a row of each, the combination of every position, and its vector."""

    rows: Int[np.ndarray, " state"]
    codes: Int[np.ndarray, "input position"]
    vectors: Float[np.ndarray, "state d_model"]


class Stream:
    """The variables that are held at ordinary positions, on a batch of inputs; and a constant."""

    def __init__(self, batch: Batch, constant: Float[np.ndarray, " d_model"]) -> None:
        self.batch, self.constant = batch, constant
        self.held: list[Held] = []

    def states(self) -> States:
        """The combinations of classes that occur now."""
        inside = self.batch.inside
        columns = [held.node.codes[inside] for held in self.held]
        rows, places = first_rows(*joint_codes(columns, [held.node.size for held in self.held]))
        codes = np.zeros(inside.shape, int)
        codes[inside] = places
        vectors = np.repeat(self.constant[None], len(rows), axis=0)
        for held, column in zip(self.held, columns, strict=True):
            vectors += held.images[column[rows]]
        return States(rows, codes, vectors)

    def moving(self, reader: Callable[[Float[np.ndarray, "class d_model"]], np.ndarray]) -> list[Held]:
        """The variables that move what reads them, a linear function of vectors, by more than a trace."""
        moves = [float(np.abs(reader(held.images - held.images.mean(axis=0))).max(initial=0)) for held in self.held]
        most = max(moves, default=0.0)
        return [held for held, move in zip(self.held, moves, strict=True) if move > _TRACE * most]

    def carrier(self, written: Written) -> Held | None:
        """The variable of fewest classes of which what is written is a function."""
        own = written.codes[self.batch.inside]
        for held in sorted(self.held, key=lambda each: each.node.size):
            if is_function([held.node.codes[self.batch.inside]], [held.node.size], own):
                return held
        return None

    def is_constant(self, written: Written) -> bool:
        """Whether the same is written everywhere."""
        own = written.codes[self.batch.inside]
        return bool((own == own[0]).all())

    def add(self, written: Written, to: Held | None) -> None:
        """Add what is written to the vectors of a variable, or, if it is constant, to the constant."""
        inside = self.batch.inside
        own = written.codes[inside]
        if to is None:
            self.constant = self.constant + written.images[own[0]]
            return
        image_of = np.zeros(to.node.size, int)
        image_of[to.node.codes[inside]] = own
        to.images = to.images + written.images[image_of]
        to.node.places.append(written.place)
