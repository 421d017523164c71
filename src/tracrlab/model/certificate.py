"""What verification found, as data that prints as a table and is kept as JSON.

A certificate keeps three things apart: that the weights do what is claimed of them (``components``), that the claims
are those of the program (``program``), and what both take for granted (``assumptions``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tracrlab.errors import VerificationError
from tracrlab.rasp.values import Value

FORMAT = 2

Kind = Literal["embedding", "norm", "head", "mlp", "clearing", "readout", "unused", "architecture", "scope"]
Status = Literal["proven", "failed", "not proven"]
How = Literal["shown", "tried", "failed"]
Source = Literal["compiled", "compiled again", "other bytes", "unknown"]

ANALYSIS_ASSUMPTION = (
    "The compiler's analysis of the program is right where its claims are not shown to be the program's: which values "
    "occur, and together; which of equal values a head copies; how many positions are selected at most, and whether "
    "some always are."
)
ASSUMPTIONS = (
    ANALYSIS_ASSUMPTION,
    "Products and sums are rounded to nearest, each on its own or in a fused multiply-add, and sums are computed in "
    "any order; exponentials and divisions are accurate to a few roundings, and the exponential of 0 is 1.",
    "What a sublayer writes is added up before it is added to the residual stream, and so are attention scores before "
    "they are scaled.",
)
SCOPE_ASSUMPTION = (
    "The claims were made for this vocabulary, attention, special tokens, length and number format; like those of "
    "older versions they do not say so.",
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

    Attributes: ``kind``; ``layer`` from 0, if it is in one; ``place`` its name, such as ``a0.h1``; ``writes`` the
    variable; ``n_combinations`` of values that were checked; ``error`` how far what it writes can be off, in any
    dimension; ``tolerance`` the error at which values would be confused; ``status``, and the ``reason`` if it is not
    proven, or is so in spite of its error.
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

    @property
    def title(self) -> str:
        """What and where it is."""
        return f"{self.place} ({self.writes})" if self.writes and self.writes != self.place else self.place


@dataclass(frozen=True)
class ProgramPart:
    """How the claims about one expression of a program were held against it.

    Attributes: ``expression`` its name; ``how``: ``"shown"`` if what is claimed of it follows from the program,
    whatever the input, ``"tried"`` if it was only run on inputs, ``"failed"`` if it is wrong; ``reason`` by what it was
    shown, why it was not, or what is wrong; ``n_cases`` in which claims and program were compared.
    """

    expression: str
    how: How
    reason: str
    n_cases: int = 0


@dataclass(frozen=True)
class ProgramProof:
    """How it was found that a model's claims are those of a program.

    Attributes: ``parts`` the program's expressions; ``inputs`` those on which model and program were run, in words,
    ``is_all`` whether there are no others, and ``seed`` of the random ones among them; ``source``: ``"compiled"``
    where the claims are what the compiler has just made of the program, ``"compiled again"`` where doing so again gave
    the same weights and claims, byte by byte, ``"other bytes"`` where it did not, ``"unknown"`` if that was not tried.
    """

    parts: tuple[ProgramPart, ...]
    inputs: str = ""
    is_all: bool = False
    seed: int | None = None
    source: Source = "unknown"

    @property
    def is_shown(self) -> bool:
        """Whether the claims about all expressions follow from the program."""
        return bool(self.parts) and all(part.how == "shown" for part in self.parts)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong, and more is known than that some of many inputs give the right answer."""
        known = self.is_shown or self.is_all or self.source in ("compiled", "compiled again")
        return known and self.failure is None

    @property
    def failure(self) -> ProgramPart | None:
        """The first expression about which a claim is wrong."""
        return next((part for part in self.parts if part.how == "failed"), None)

    def __str__(self) -> str:
        shown = sum(part.how == "shown" for part in self.parts)
        found = [f"shown for {'all' if self.is_shown else f'{shown} of'} {len(self.parts)} expressions"]
        found += {
            "compiled": ["they come straight from its compilation"],
            "compiled again": ["compiling it again gives the same bytes"],
            "other bytes": ["compiling it again gives other bytes"],
            "unknown": [],
        }[self.source]
        seed = "" if self.seed is None else f" (seed {self.seed})"
        return "; ".join([*found, *([f"tried on {self.inputs}{seed}"] if self.inputs else [])])


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
    """The result of verifying a model; ``holds`` says whether all that was asked for was found to be so.

    That is that the weights do what is claimed of them, on all inputs, and, where there is a ``program``, that the
    claims are those of the program, so that model and program are equal.

    Attributes: ``model`` the name of the program's value; ``dtype`` the number format that was checked; ``components``
    all that was checked, in order; ``target`` the architecture and the version of its library, if it is not the model
    itself; ``assumptions`` what was taken for granted; ``program`` how the claims were found to be the program's,
    ``None`` if that was not asked; ``n_inputs`` how many inputs were run, and ``counterexample`` one of them on which
    the model is wrong, as text, if there is one; ``from_files``: it was read with the model, and is only as trustworthy
    as the files, whose digests detect damage, not tampering.
    """

    model: str
    dtype: str
    vocabulary_size: int
    max_seq_len: int
    components: tuple[ComponentProof, ...]
    assumptions: tuple[str, ...] = ASSUMPTIONS
    target: str = ""
    program: ProgramProof | None = None
    n_inputs: int = 0
    counterexample: str | None = None
    from_files: bool = False

    @property
    def weights_proven(self) -> bool:
        """Whether the weights of every component are proven to do what is claimed."""
        return all(each.status == "proven" for each in self.components)

    @property
    def holds(self) -> bool:
        """Whether every component is proven, the claims are the program's if asked, and no input contradicts it."""
        return self.weights_proven and self.counterexample is None and (self.program is None or self.program.holds)

    @property
    def reason(self) -> str:
        """What is in the way of a certificate, in words; empty where nothing is."""
        found = [] if self.failure is None else [f"{self.failure.title}: {self.failure.reason}"]
        if self.program is not None and self.program.failure is not None:
            found.append(f"{self.program.failure.expression}: {self.program.failure.reason}")
        if self.counterexample:
            found.append(self.counterexample)
        elif not found and self.program is not None and not self.program.holds:
            found.append(f"that its claims are the program's is not known ({self.program})")
        elif found and self.n_inputs:
            found.append(f"on the {self.n_inputs:,} inputs that were run, the model is right")
        return "; ".join(found)

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
        return "\n".join([*self._verdict(), *_table(self.components)])

    def __repr__(self) -> str:
        return self.summary()

    def _verdict(self) -> Iterator[str]:
        where = f"as {self.target} in {self.dtype}" if self.target else f"in {self.dtype}"
        what = f"{self.model} {where}, on all inputs of up to {self.max_seq_len} of {self.vocabulary_size} tokens"
        if not self.holds:
            yield f"No certificate: {what}: {self.reason}"
            return
        ran = f" and {self.n_inputs:,} inputs run" if self.n_inputs else ""
        equal = "equal to the program" if self.program else "the weights do what is claimed of them"
        yield f"Certificate: {what}: {equal} ({self.n_combinations:,} combinations checked{ran})"
        if self.program is None:
            yield "  whether the claims are those of the program was not asked"
        else:
            yield "  the weights do what is claimed of them: proven"
            yield f"  the claims are those of the program: {self.program}"
        if self.from_files:
            yield "  read from files, and as trustworthy as they are; verify() proves it anew"

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
            program = None if data["program"] is None else _program_from_json(data["program"])
            parts = {"components": components, "program": program, "assumptions": tuple(data["assumptions"])}
            certificate = Certificate(**data | parts)
            if certificate.holds != holds:
                raise ValueError("its parts do not say what it says as a whole")
            return certificate
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise VerificationError(f"this is not a certificate: {error}") from error


def verdict(certificate: Certificate | None) -> str:
    """In one line, what is known of a model that carries this certificate, or none."""
    if certificate is None:
        return "not proven: it was compiled without, or changed since"
    if not certificate.holds:
        return f"not proven: {certificate.reason}"
    read = ", as the files say" if certificate.from_files else ""
    return f"proven equal to its program{read}" if certificate.program else f"weights proven{read}"


def _program_from_json(data: dict[str, Any]) -> ProgramProof:
    return ProgramProof(**data | {"parts": tuple(ProgramPart(**part) for part in data["parts"])})


def _finite(value: object) -> object:
    """JSON has no infinities."""
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _table(components: Sequence[ComponentProof]) -> list[str]:
    rows = [("component", "cases", "error", "tolerance", "status")]
    rows += [
        (
            component.title,
            f"{component.n_combinations:,}",
            _scientific(component.error),
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
    return [f"  {line}" for line in lines]


def _scientific(number: float) -> str:
    return "-" if not math.isfinite(number) else f"{number:.1e}" if number else "0"
