"""What verification found, as data that prints as a table and is kept as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tracrlab.errors import VerificationError
from tracrlab.rasp.values import Value

FORMAT = 1

Kind = Literal["embedding", "norm", "head", "mlp", "clearing", "readout", "unused", "architecture", "analysis"]
Status = Literal["proven", "failed", "not proven"]
Rounding = Literal["bounded", "measured"]

ASSUMPTIONS = (
    "The compiler's analysis of the program is right: which values occur, and together; which of equal values a head "
    "copies; how many positions are selected at most, and whether some always are.",
    "Exponentials and divisions are accurate to a few roundings; sums may be computed in any order.",
    "Where bounds on rounding are too coarse, rounding is measured on all cases and multiplied by 4; there, the two "
    "neurons of a step are added one after the other, as they are stored.",
)
STOCK_ASSUMPTIONS = (
    "The library computes its architecture as published: norms take means and variances in any order of summation; the "
    "reciprocal root of a power of four is exact; smooth activations are accurate to a few roundings, and exactly 0 or "
    "their input where they round to it; attention scores are summed up before they are scaled, as eager and fused "
    "attention do.",
)


@dataclass(frozen=True)
class ComponentProof:
    """What was found about one component.

    Attributes: ``kind``; ``layer`` from 1, if it is in one; ``place`` which head or neurons it is; ``writes`` the
    variable; ``n_combinations`` of values that were checked; ``error`` how far what it writes can be off, in any
    dimension; ``tolerance`` the error at which values would be confused; ``status``, and the ``reason`` if it is not
    proven, or is so in spite of its error; ``rounding`` whether rounding errors were bounded or measured.
    """

    kind: Kind
    layer: int | None
    place: str
    writes: str
    n_combinations: int
    error: float
    tolerance: float
    status: Status
    reason: str = ""
    rounding: Rounding = "bounded"

    @property
    def title(self) -> str:
        """What and where it is."""
        where = f"layer {self.layer}, {self.place}" if self.layer else self.place
        return f"{where} ({self.writes})" if self.writes and self.writes != where else where


@dataclass(frozen=True)
class Counterexample:
    """An input on which the model and its program differ."""

    tokens: tuple[Value, ...]
    model: tuple[Value, ...]
    program: tuple[Value, ...]

    def __str__(self) -> str:
        return f"on {list(self.tokens)!r} the model says {list(self.model)!r}, the program {list(self.program)!r}"


@dataclass(frozen=True, repr=False)
class Certificate:
    """The result of verifying a model; ``holds`` says whether it equals its program on all inputs.

    Attributes: ``model`` the name of the program's value; ``dtype`` the number format that was checked; ``components``
    all that was checked, in order; ``target`` the architecture and the version of its library, if it is not the model
    itself; ``assumptions`` what was taken for granted; ``n_inputs`` how many inputs were run, and ``counterexample``
    one of them on which the model is wrong, as text, if there is one; ``tried`` on which inputs the compiler's analysis
    was held against the program, in words, empty if on none.
    """

    model: str
    dtype: str
    vocabulary_size: int
    max_seq_len: int
    components: tuple[ComponentProof, ...]
    assumptions: tuple[str, ...] = ASSUMPTIONS
    target: str = ""
    n_inputs: int = 0
    counterexample: str | None = None
    tried: str = ""

    @property
    def holds(self) -> bool:
        """Whether every component is proven, and no input contradicts it."""
        return self.counterexample is None and all(each.status == "proven" for each in self.components)

    @property
    def n_combinations(self) -> int:
        """How many combinations of values were checked in all."""
        return sum(each.n_combinations for each in self.components)

    @property
    def failure(self) -> ComponentProof | None:
        """The component that is to blame: the first that failed, or else the first that is not proven."""
        for status in ("failed", "not proven"):
            for component in self.components:
                if component.status == status:
                    return component
        return None

    def summary(self) -> str:
        """The certificate as a table, with the verdict first."""
        return "\n".join([self._verdict(), *_table(self.components)])

    def __repr__(self) -> str:
        return self.summary()

    def _verdict(self) -> str:
        where = f"as {self.target} in {self.dtype}" if self.target else f"in {self.dtype}"
        what = f"{self.model} {where}, on all inputs of up to {self.max_seq_len} of {self.vocabulary_size} tokens"
        if self.holds:
            ran = f", and {self.n_inputs:,} inputs run" if self.n_inputs else ""
            tried = f"; analysis tried on {self.tried}" if self.tried else ""
            checked = f"{self.n_combinations:,} combinations checked{ran}{tried}"
            return f"Certificate: {what}: equal to the program ({checked})"
        found = [] if self.failure is None else [f"{self.failure.title}: {self.failure.reason}"]
        if self.counterexample:
            found.append(self.counterexample)
        elif self.n_inputs:
            found.append(f"on the {self.n_inputs:,} inputs that were run, the model is right")
        return f"No certificate: {what}: {'; '.join(found)}"

    def to_json(self) -> str:
        """The certificate as a small JSON text."""
        components = [
            {key: _finite(value) for key, value in asdict(component).items()} for component in self.components
        ]
        data = asdict(self) | {"components": components, "holds": self.holds, "format": FORMAT}
        return json.dumps(data, indent=1, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Certificate:
        """The certificate that :meth:`to_json` wrote.

        Raises:
            VerificationError: the text is none.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ValueError("it is of another format")
            holds = data.pop("holds")
            components = tuple(
                ComponentProof(**each | {key: float(each[key]) for key in ("error", "tolerance")})
                for each in data["components"]
            )
            certificate = Certificate(**data | {"components": components, "assumptions": tuple(data["assumptions"])})
            if certificate.holds != holds:
                raise ValueError("its parts do not say what it says as a whole")
            return certificate
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise VerificationError(f"this is not a certificate: {error}") from error


def _finite(value: object) -> object:
    """JSON has no infinities."""
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _table(components: Sequence[ComponentProof]) -> list[str]:
    rows = [("component", "cases", "error", "tolerance", "status")]
    rows += [
        (
            component.title,
            f"{component.n_combinations:,}",
            _scientific(component.error) + ("*" if component.rounding == "measured" else ""),
            _scientific(component.tolerance),
            component.status + (f": {component.reason}" if component.reason else ""),
        )
        for component in components
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row, widths[1:4], strict=True)), last]
        )
        for first, *row, last in rows
    ]
    measured = any(component.rounding == "measured" for component in components)
    return [f"  {line}" for line in lines] + (["  * rounding measured, times 4"] if measured else [])


def _scientific(number: float) -> str:
    return "-" if not math.isfinite(number) else f"{number:.1e}" if number else "0"
