"""Every error that a user can meet, one class for each thing that can go wrong.

All derive from :class:`TracrLabError`. A message is one line that says what, where and what to do; the
fields carry the same facts for programs.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


class TracrLabError(Exception):
    """Base of all errors raised on purpose by Tracr Lab."""


@dataclass
class ExpressionError(TracrLabError):
    """Something is wrong with one expression of a RASP program.

    Attributes: ``expression`` its text, ``location`` the ``file:line`` that built it (or ``None``), ``reason``
    why it is wrong, ``remedy`` what to do about it.
    """

    expression: str
    location: str | None
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = f" ({self.location})" if self.location else ""
        return f"{self.expression}{where}: {self.reason}. {self.remedy}."


class EvaluationError(ExpressionError):
    """The interpreter cannot give the expression a value on this input."""


class NotPrintableError(ExpressionError):
    """Textual RASP has no form for the expression."""


class CompileError(ExpressionError):
    """The compiler refuses the expression; no model is produced."""


class ArchitectureError(CompileError):
    """The program's components do not fit into the architecture that is asked for."""


class UndefinedValueError(CompileError):
    """A function of the program raises, or returns something unusable, on a value that it may be given."""


@dataclass
class TokenConversionError(UndefinedValueError):
    """A textual program reads all tokens as ints or floats, and some of the vocabulary (``tokens``) are not such."""

    tokens: tuple[Hashable, ...]


class MixedAggregateError(CompileError):
    """An aggregate might have to average values that have no mean, such as two strings."""


class EncodingError(CompileError):
    """A value cannot be stored in the encoding that the program asks for."""


class DomainTooLargeError(CompileError):
    """The program needs more values, heads or parameters than the compiler is willing to lay out."""


class PrecisionError(CompileError):
    """The weights' number format cannot separate two values that the program must tell apart."""


class UnprovenError(CompileError):
    """The program was compiled, and there is no proof that the model equals it."""


class CausalError(CompileError):
    """The expression needs later tokens, which a causal model cannot see."""


class VocabularyError(TracrLabError):
    """The vocabulary, the special tokens or the maximal length given to the compiler are unusable."""


class InputError(TracrLabError):
    """A sequence given to a model contains an unknown token or is too long."""


class ModelFileError(TracrLabError):
    """A model folder cannot be read or written."""


class ProgramError(TracrLabError):
    """A program named on the command line cannot be found or loaded."""


class DrawingError(TracrLabError):
    """A drawing would be too large, or cannot be written to the path given."""


class OutputError(TracrLabError):
    """A file that a command was told to write cannot be written."""


class VerificationError(TracrLabError):
    """A model cannot be verified: it carries no claims, they do not fit it, or what is asked for is too much."""


class ExportError(TracrLabError):
    """A model cannot be said in another library's format."""


class InterventionError(TracrLabError):
    """An intervention does not fit the model: there is no such place in it, or something else belongs there."""


class TrainingError(TracrLabError):
    """A training cannot begin, be continued, or be written as asked for."""


class InjectionError(TracrLabError):
    """A program cannot be put into a language model as asked for."""


class CompressionError(TracrLabError):
    """A compression cannot be trained, continued, read or written as asked for."""


class DecompileError(TracrLabError):
    """A model cannot be decompiled: it is no transformer of a known kind, or too large for the inputs asked for."""


class LabError(TracrLabError):
    """A case cannot be made, read or written, or a benchmark cannot be run, as asked for."""


class MethodError(LabError):
    """An interpretability method cannot be found, or gives no answer that can be scored."""


class MissingDependencyError(TracrLabError):
    """A package is needed that an extra of Tracr Lab installs."""


class ForeignModuleError(TracrLabError):
    """A module of another project is loaded where Tracr Lab's compatible one is to go."""


@dataclass
class RaspError(TracrLabError):
    """A textual RASP program goes wrong while it runs: where (``name``, line and column), and why."""

    name: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}:{self.column}: {self.message}"


@dataclass
class ParseError(TracrLabError):
    """A text is not a program of the textual RASP language.

    Attributes: ``name`` of the text (a file's path), ``line`` and ``column`` from 1 of the place where reading stopped,
    ``source_line`` that line, ``expected`` what could have stood there, ``message`` what stands there instead.
    """

    name: str
    line: int
    column: int
    source_line: str
    expected: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        *others, last = self.expected or ("",)
        alternatives = f"{', '.join(others)} or {last}" if others else last
        headline = f"{self.name}:{self.line}:{self.column}: {self.message}"
        return "\n".join([f"{headline}; expected {alternatives}" if last else headline, *self._excerpt()])

    def _excerpt(self, reach: int = 80) -> tuple[str, str]:
        """The source line, cut to what surrounds the column if it is long, and a caret under the column."""
        at = self.column - 1
        start, end = max(0, at - reach), at + reach
        before, after = self.source_line[start:at], self.source_line[at:end]
        if start:
            before = "…" + before
        if end < len(self.source_line):
            after += "…"
        indent = "".join("\t" if character == "\t" else " " for character in before)
        return before + after, indent + "^"
