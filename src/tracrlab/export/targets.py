"""Compiling for a stock architecture: the export, and the proof that its checkpoint computes the program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar, Unpack, overload

from tracrlab.compiler import driver
from tracrlab.compiler.fit import Architecture
from tracrlab.craft.formats import FORMATS, Dtype
from tracrlab.errors import ExportError, PrecisionError, VerificationError
from tracrlab.export.pretrained import Pretrained
from tracrlab.export.reading import stock_network
from tracrlab.extras import require
from tracrlab.model.compiled import CompiledModel
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value
from tracrlab.verify.certificate import Certificate
from tracrlab.verify.induction import certify_network

if TYPE_CHECKING:
    import torch

Target = Literal["gpt2", "bert", "llama"]
Activation = Literal["relu", "gelu", "silu"]

_ACTIVATIONS = {"gpt2": ("relu", "gelu"), "bert": ("relu", "gelu"), "llama": ("silu",)}
_CAUSAL = {"gpt2": "GPT-2", "llama": "Llama"}


_Function = TypeVar("_Function", bound=Callable[..., object])


class CompileOptions(TypedDict, total=False):
    """The options of :func:`tracrlab.compiler.driver.compile_program`."""

    causal: bool
    mode: Literal["faithful", "compact"]
    passes: Iterable[str] | None
    fit: Architecture | None
    bos: str
    pad: str
    dtype: Dtype
    most_combinations: int


def _with_the_options_of(compiler: Callable[..., object]) -> Callable[[_Function], _Function]:
    """A decorator for a function that hands ``**options`` on: its signature lists them, as ``help`` shows it."""

    def decorate(function: _Function) -> _Function:
        own = signature(function, eval_str=True)
        options = [
            each
            for each in signature(compiler, eval_str=True).parameters.values()
            if each.kind is Parameter.KEYWORD_ONLY
        ]
        kept = [each for each in own.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
        first = sum(each.kind is not Parameter.KEYWORD_ONLY for each in kept)
        vars(function)["__signature__"] = own.replace(parameters=[*kept[:first], *options, *kept[first:]])
        return function

    return decorate


@overload
def compile_program(
    program: SOp, vocab: Iterable[Value], max_seq_len: int, *, target: None = None, **options: Unpack[CompileOptions]
) -> CompiledModel: ...


@overload
def compile_program(
    program: SOp,
    vocab: Iterable[Value],
    max_seq_len: int,
    *,
    target: Target,
    activation: Activation | None = None,
    **options: Unpack[CompileOptions],
) -> Pretrained: ...


@_with_the_options_of(driver.compile_program)
def compile_program(
    program: SOp,
    vocab: Iterable[Value],
    max_seq_len: int,
    *,
    target: Target | None = None,
    activation: Activation | None = None,
    **options: Unpack[CompileOptions],
) -> CompiledModel | Pretrained:
    """Compile a RASP program into a transformer that computes the same on every input.

    Arguments:
        program: the s-op to compute.
        vocab: the tokens that inputs may contain, any hashable values (a string: its characters).
        max_seq_len: the number of tokens of the longest input, without BOS.
        target: a stock architecture of Transformers, ``"gpt2"``, ``"bert"`` or ``"llama"``. GPT-2 and Llama need
            ``causal=True``.
        activation: the target's neurons: ``"relu"`` (the default) or ``"gelu"`` for GPT-2 and BERT, ``"silu"`` for
            Llama.
        options: ``causal``, ``mode``, ``passes``, ``fit``, ``bos``, ``pad``, ``dtype`` and ``most_combinations``, as
            for :func:`tracrlab.compiler.driver.compile_program`.

    Returns:
        The model; with a ``target``, the model of Transformers with its tokenizer, and the certificate that it equals
        the program on every input over ``vocab`` of at most ``max_seq_len`` tokens.

    Raises:
        CompileError: the program cannot be compiled exactly, or there is no proof that the target equals it; names the
            expression, the reason and a remedy.
        VocabularyError: the vocabulary, special tokens or length are unusable.
        ExportError: the target cannot be causal, or has no such activation; tokens or answers print alike.
        MissingDependencyError: a target needs Transformers and PyTorch.
        TypeError: ``program`` is not an s-op, ``passes`` a text, or ``fit`` not an :class:`Architecture`.
        ValueError: there is no such ``target``, ``mode``, pass or ``dtype``, or passes are named in faithful mode.
    """
    if target is None:
        if activation is not None:
            raise ValueError("there is an activation to choose for a target only")
        return driver.compile_program(program, vocab, max_seq_len, **options)
    check_target(target, activation, causal=options.get("causal", False))
    model = driver.compile_program(program, vocab, max_seq_len, **options)
    return certified_export(model, target, activation)


def check_target(target: str, activation: str | None, *, causal: bool) -> None:
    """Refuse a target that does not exist, does not have the activation, or cannot see later tokens.

    Raises:
        ValueError: there is no such target.
        ExportError: it does not go with the activation, or with a model that is not causal.
    """
    if target not in _ACTIVATIONS:
        raise ValueError(f"target must be {', '.join(map(repr, _ACTIVATIONS))}, not {target!r}")
    if activation is not None and activation not in _ACTIVATIONS[target]:
        raise ExportError(f"{target} has no {activation} neurons; it has {' or '.join(_ACTIVATIONS[target])}")
    if target in _CAUSAL and not causal:
        raise ExportError(f"{_CAUSAL[target]} is causal, and this model is not; compile with causal=True, or for bert")


def stock_export(
    model: CompiledModel, target: Target, activation: Activation | None = None, *, dtype: torch.dtype | None = None
) -> Pretrained:
    """The model in a stock architecture, checked on random inputs.

    Raises:
        MissingDependencyError, ExportError, PrecisionError, ValueError: as for ``to_gpt2``, ``to_bert``, ``to_llama``.
    """
    check_target(target, activation, causal=model.config.causal)
    if target == "llama":
        return model.to_llama(dtype=dtype)
    neurons: Literal["relu", "gelu"] = "gelu" if activation == "gelu" else "relu"
    to_target = model.to_gpt2 if target == "gpt2" else model.to_bert
    return to_target(activation=neurons, dtype=dtype)


def certified_export(model: CompiledModel, target: Target, activation: Activation | None = None) -> Pretrained:
    """The model in a stock architecture, with the certificate that this equals the program.

    Raises:
        MissingDependencyError, ExportError, ValueError: as for :func:`stock_export`.
        PrecisionError: there is no proof.
        VerificationError: the model carries no claims.
    """
    export = stock_export(model, target, activation)
    certificate = stock_certificate(export)
    if not certificate.holds:
        failure = certificate.failure
        where = "" if failure is None else f": {failure.title}: {failure.reason}"
        raise PrecisionError(
            model.output_name,
            None,
            f"there is no proof that {certificate.target} computes it{where}",
            f"Use a smaller length or the other mode; model.to_{target}() gives it checked on random inputs only",
        )
    return replace(export, certificate=certificate)


def verify_target(
    model: CompiledModel, target: Target, activation: Activation | None, *, runs: bool, dtype: str | None
) -> Certificate:
    """Export the model and prove that the checkpoint computes its program; ``runs``: inputs are to be run, too.

    Raises:
        VerificationError: inputs are to be run, there is no such format, or as for :func:`stock_certificate`.
        MissingDependencyError, ExportError, PrecisionError, ValueError: as for :func:`stock_export`.
    """
    if runs:
        raise VerificationError(
            "inputs are run in the model itself, not in a target: leave out the target, or the program and exhaustive"
        )
    if dtype not in (None, *FORMATS):
        raise VerificationError(f"there is no number format {dtype!r} to verify in; there are {', '.join(FORMATS)}")
    torch = require("torch", extra="huggingface", purpose="a stock architecture")
    export = stock_export(model, target, activation, dtype=None if dtype is None else getattr(torch, dtype))
    return stock_certificate(export)


def stock_certificate(export: Pretrained) -> Certificate:
    """What can be proven of a checkpoint, read back from its parameters: whether it computes its source's program.

    Raises:
        VerificationError: the model carries no claims, or the checkpoint is of another architecture.
    """
    return certify_network(export.source, stock_network(export.source, export.model))
