"""The facade: what users do with programs and models, as functions and methods that call all other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from inspect import Parameter, signature
from os import PathLike
from typing import TYPE_CHECKING, Literal, Self, TypedDict, TypeVar, Unpack, overload

from tracrlab.compiler import driver
from tracrlab.compiler.fit import Architecture
from tracrlab.compiler.reproduction import verify_compiled
from tracrlab.craft.formats import Dtype
from tracrlab.export.pretrained import Pretrained
from tracrlab.export.targets import Activation, Target, certified_export, check_target, verify_target
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate
from tracrlab.model.intervene import Intervened, Interventions
from tracrlab.model.report import Report, model_report
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value
from tracrlab.verbs import ModelVerbs

if TYPE_CHECKING:
    import torch

    from tracrlab.compress.compressed_model import CompressedModel


class CompiledModel(ModelVerbs):
    """A transformer compiled from a RASP program: the artefact with its verbs."""

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        """The artefact with these verbs."""
        model = object.__new__(cls)
        vars(model).update(vars(artefact))
        return model

    def intervene(self, interventions: Interventions) -> Intervened:
        """The model while expressions of its program have other values: see :mod:`tracrlab.model.intervene`.

        >>> import tracrlab
        >>> from tracrlab.rasp.library import PROGRAMS
        >>> model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), vocab="abx", max_seq_len=4)
        >>> model.intervene({"is_x": {2: True}})("abab") == model("abxb")
        True
        """
        return Intervened(self.config, self.weights, self.labels, self.output, interventions)

    def verify(
        self,
        program: SOp | None = None,
        *,
        exhaustive: bool = False,
        dtype: str | None = None,
        target: Target | None = None,
        activation: Activation | None = None,
    ) -> Certificate:
        """A proof that the weights do what is claimed of them, and that the claims are those of ``program``.

        See :func:`tracrlab.verify.verifier.verify`. The program is also compiled again: compiling is deterministic, so
        the certificate can say whether this is the model that it gives, byte by byte.

        With a ``target``, ``"gpt2"``, ``"bert"`` or ``"llama"``, and maybe an ``activation``, as for
        :func:`tracrlab.compile`, a proof that the model does so in this stock architecture; inputs are not run then.

        Raises:
            VerificationError: as there; or inputs are to be run in a stock architecture.
            MissingDependencyError, ExportError, PrecisionError, ValueError: it cannot be exported to the ``target``.
        """
        if target is None:
            return verify_compiled(self, program, exhaustive=exhaustive, dtype=dtype)
        return verify_target(self, target, activation, runs=program is not None or exhaustive, dtype=dtype)

    def report(self) -> Report:
        """Where every dimension, head, neuron and weight went, by expression; and lower bounds. ``print`` shows it."""
        return model_report(self.weights, self.labels, self.certificate)

    def to_huggingface(self, *, margin: float = 10.0, dtype: torch.dtype | None = None) -> Pretrained:
        """The model in Transformers, code included: see :func:`tracrlab.export.huggingface.to_huggingface`."""
        from tracrlab.export.huggingface import to_huggingface

        return to_huggingface(self, self.class_readout(margin), dtype=dtype)

    def to_gpt2(
        self,
        *,
        activation: Literal["relu", "gelu"] = "relu",
        margin: float = 10.0,
        dtype: torch.dtype | None = None,
        head: Literal["labels", "lm"] = "labels",
    ) -> Pretrained:
        """A causal model as an ordinary GPT-2: see :func:`tracrlab.export.stock.to_gpt2`."""
        from tracrlab.export.stock import to_gpt2
        from tracrlab.model.surgery.own_dimensions import with_own_dimensions

        model = with_own_dimensions(self)
        return to_gpt2(model, model.class_readout(margin), activation=activation, dtype=dtype, head=head)

    def to_bert(
        self, *, activation: Literal["relu", "gelu"] = "relu", margin: float = 10.0, dtype: torch.dtype | None = None
    ) -> Pretrained:
        """The model as an ordinary BERT: see :func:`tracrlab.export.stock.to_bert`."""
        from tracrlab.export.stock import to_bert
        from tracrlab.model.surgery.own_dimensions import with_own_dimensions

        model = with_own_dimensions(self)
        return to_bert(model, model.class_readout(margin), activation=activation, dtype=dtype)

    def to_llama(self, *, margin: float = 10.0, dtype: torch.dtype | None = None) -> Pretrained:
        """A causal model as an ordinary Llama: see :func:`tracrlab.export.llama.to_llama`."""
        from tracrlab.export.llama import to_llama
        from tracrlab.model.surgery.own_dimensions import with_own_dimensions

        model = with_own_dimensions(self)
        return to_llama(model, model.class_readout(margin), dtype=dtype)

    def to_onnx(
        self, path: str | PathLike[str], *, logits: Literal["classes", "raw"] = "classes", margin: float = 10.0
    ) -> None:
        """Write the model to a file in the ONNX format: see :func:`tracrlab.export.onnx.to_onnx`."""
        from tracrlab.export.onnx import to_onnx

        to_onnx(self, self.readout(logits, margin), path)

    def save_pretrained(self, path: str | PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` into the folder ``path``, made if need be.

        Raises:
            ModelFileError: the folder cannot be written, or the model holds values that have no JSON form.
        """
        from tracrlab.model.storage import save_model

        save_model(self, path)


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
    grounds: bool
    robust: bool
    prove: bool


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
def compile(
    program: SOp, vocab: Iterable[Value], max_seq_len: int, *, target: None = None, **options: Unpack[CompileOptions]
) -> CompiledModel: ...


@overload
def compile(
    program: SOp,
    vocab: Iterable[Value],
    max_seq_len: int,
    *,
    target: Target,
    activation: Activation | None = None,
    **options: Unpack[CompileOptions],
) -> Pretrained: ...


@_with_the_options_of(driver.compile_program)
def compile(
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
        options: ``causal``, ``mode``, ``passes``, ``fit``, ``bos``, ``pad``, ``dtype``, ``most_combinations`` and
            ``prove``, as for :func:`tracrlab.compiler.driver.compile_program`.

    Returns:
        The model, with the certificate that it equals the program on every input over ``vocab`` of at most
        ``max_seq_len`` tokens; with a ``target``, the model of Transformers with its tokenizer and certificate.

    Raises:
        CompileError: the program cannot be compiled exactly, or there is no proof that the model or the target equals
            it; names the expression, the reason and a remedy.
        VocabularyError: the vocabulary, special tokens or length are unusable.
        ExportError: the target cannot be causal, or has no such activation; tokens or answers print alike.
        MissingDependencyError: a target needs Transformers and PyTorch.
        TypeError: ``program`` is not an s-op, ``passes`` a text, or ``fit`` not an :class:`Architecture`.
        ValueError: there is no such ``target``, ``mode``, pass or ``dtype``, or passes are named in faithful mode.
    """
    if target is None:
        if activation is not None:
            raise ValueError("there is an activation to choose for a target only")
        return CompiledModel.of(driver.compile_program(program, vocab, max_seq_len, **options))
    check_target(target, activation, causal=options.get("causal", False))
    if target != "llama":  # layer norms
        options = {**options, "grounds": False}
    model = CompiledModel.of(driver.compile_program(program, vocab, max_seq_len, **options))
    return certified_export(model, target, activation)


def load(path: str | PathLike[str]) -> CompiledModel | CompressedModel:
    """Read a model from the folder that ``save_pretrained`` wrote: a compiled or a compressed one.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    from tracrlab.compress.storage import is_compressed
    from tracrlab.model.storage import load_model

    if not is_compressed(path):
        return CompiledModel.of(load_model(path))
    from tracrlab.compress.compressed_model import load_compressed

    model = load_compressed(path)
    return replace(model, original=CompiledModel.of(model.original))
