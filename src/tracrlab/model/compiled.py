"""``CompiledModel``: a transformer together with the knowledge of what everything in it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tracrlab.craft.claims import Claims
from tracrlab.craft.spaces import Variable
from tracrlab.extras import require
from tracrlab.model.circuit import Circuit, model_circuit
from tracrlab.model.config import ModelConfig
from tracrlab.model.forward import forward, forward_with_activations
from tracrlab.model.intervene import Intervened, Interventions
from tracrlab.model.labels import Labels
from tracrlab.model.readout import ClassReadout, RawReadout, Readout, class_readout
from tracrlab.model.report import Report, model_report
from tracrlab.model.tokenizer import encode_batch
from tracrlab.model.trace import Trace, traced
from tracrlab.model.weights import Weights
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float, Int

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

    from tracrlab.export.jax import Apply, Params
    from tracrlab.export.pretrained import Pretrained
    from tracrlab.export.targets import Activation, Target
    from tracrlab.learn.transformer import Transformer
    from tracrlab.rasp.expressions import SOp
    from tracrlab.verify.certificate import Certificate
    from tracrlab.viz.figures.plot import Kind

_BATCH_ELEMENTS = 2**25  # floats of the largest intermediate array of a batch


@dataclass(frozen=True, eq=False, repr=False)
class CompiledModel:
    """A transformer compiled from a RASP program.

    Attributes: ``config``; ``weights``; ``labels`` of dimensions, heads and neurons; ``output`` says how an answer is
    decoded from the logits; ``program`` name, text and source line of each expression, sources first; ``claims`` what
    each part computes, for :meth:`verify`.
    """

    config: ModelConfig
    weights: Weights
    labels: Labels
    output: Variable
    program: tuple[tuple[str, str, str | None], ...]
    claims: Claims | None = None

    @property
    def output_name(self) -> str:
        """The name of the program's value."""
        return self.output.name

    def __call__(self, tokens: Sequence[Value]) -> list[Value]:
        """The program's value at each token. BOS is handled inside.

        Raises:
            InputError: a token is not in the vocabulary, or there are more than ``max_seq_len`` of them.
        """
        return self.run_batch([tokens])[0]

    def run_batch(self, sequences: Iterable[Sequence[Value]]) -> list[list[Value]]:
        """The program's values on many sequences, which may differ in length.

        Raises:
            InputError: a token is not in the vocabulary, or a sequence is too long.
        """
        sequences = list(sequences)
        size = max(1, _BATCH_ELEMENTS // self._elements_per_sequence(max(map(len, sequences), default=0) + 1))
        readout, answers = self.readout("raw"), list[list[Value]]()
        for start in range(0, len(sequences), size):
            ids = self.encode(sequences[start : start + size])
            answers += readout.decode(self.forward(ids), ids)
        return answers

    def forward(self, ids: Int[np.ndarray, "batch position"]) -> Float[np.ndarray, "batch position d_vocab_out"]:
        """The raw output for token ids that begin with BOS and are padded at the end.

        For a categorical answer a logit for each value (and one for ``None``, last, if it can occur), for a numerical
        one the number (and 1 where there is one, if it can be ``None``).
        """
        return forward(self.config, self.weights, ids)

    def trace(self, tokens: Sequence[Value]) -> Trace:
        """Run one sequence and keep the residual stream after every sublayer and every attention pattern.

        Raises:
            InputError: as for calling the model.
        """
        activations = forward_with_activations(self.config, self.weights, self.encode([tokens]))
        return traced(self.labels, self.output, tokens, activations)

    def intervene(self, interventions: Interventions) -> Intervened:
        """The model while expressions of its program have other values: see :mod:`tracrlab.model.intervene`.

        >>> import tracrlab
        >>> from tracrlab.rasp.library import PROGRAMS
        >>> model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), vocab="abx", max_seq_len=4)
        >>> model.intervene({"is_x": {2: True}})("abab") == model("abxb")
        True
        """
        return Intervened(self.config, self.weights, self.labels, self.output, interventions)

    def encode(self, sequences: Sequence[Sequence[Value]]) -> Int[np.ndarray, "batch position"]:
        """The token ids of a batch: BOS, the tokens, padding up to the longest sequence.

        Raises:
            InputError: a token is not in the vocabulary, or a sequence is too long.
        """
        return encode_batch(self.config, sequences)

    def readout(self, logits: Literal["classes", "raw"] = "classes", margin: float = 10.0) -> Readout:
        """An unembedding, and what its logits mean.

        Arguments:
            logits: ``"classes"``, a logit for each answer, or ``"raw"``, what :meth:`forward` gives.
            margin: how far the logit of the right class leads at least, on every input.

        Raises:
            ValueError: there is no such kind of ``logits``, or ``margin`` is not a positive number.
            PrecisionError: the answers are too many, and too close together, for a logit each.
        """
        config, W_U = self.config, self.weights.W_U
        if logits == "classes":
            return self._class_readout(margin)
        if logits == "raw":
            return RawReadout(W_U, np.zeros(W_U.shape[1]), self.output, config.pad_id, config.dtype)
        raise ValueError(f'logits must be "classes" or "raw", not {logits!r}')

    def circuit(self) -> Circuit:
        """Which heads, neurons and dimensions implement and hold each expression, and which part reads from which."""
        return model_circuit(self.config, self.weights, self.labels, self.program)

    def verify(
        self,
        program: SOp | None = None,
        *,
        exhaustive: bool = False,
        dtype: str | None = None,
        target: Target | None = None,
        activation: Activation | None = None,
    ) -> Certificate:
        """A proof that the model computes its program: see :func:`tracrlab.verify.verifier.verify`.

        With a ``target``, ``"gpt2"``, ``"bert"`` or ``"llama"``, and maybe an ``activation``, as for
        :func:`tracrlab.compile`, a proof that the model does so in this stock architecture; inputs are not run then.

        Raises:
            VerificationError: as there; or inputs are to be run in a stock architecture.
            MissingDependencyError, ExportError, PrecisionError, ValueError: it cannot be exported to the ``target``.
        """
        from tracrlab.verify.verifier import verify

        if target is None:
            return verify(self, program, exhaustive=exhaustive, dtype=dtype)
        from tracrlab.export.targets import verify_target

        return verify_target(self, target, activation, runs=program is not None or exhaustive, dtype=dtype)

    def to_torch(
        self,
        *,
        logits: Literal["classes", "raw"] = "classes",
        margin: float = 10.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        fused: bool = True,
    ) -> Transformer:
        """The model as a PyTorch module that maps token ids to logits.

        Arguments:
            logits, margin: what the module gives, as for :meth:`readout`.
            device: where the parameters are.
            dtype: their format; by default that of the model, or float64 where float32 cannot keep the margin. Answers
                are exact in this format and wider ones.
            fused: use fused attention while nobody watches the patterns; it has first derivatives only.

        Raises:
            MissingDependencyError: PyTorch is not installed.
            ValueError, PrecisionError: as for :meth:`readout`; or weights are beyond the range of ``dtype``.
        """
        require("torch", extra="torch", purpose="to_torch")
        from tracrlab.learn.transformer import torch_model

        readout = self.readout(logits, margin)
        return torch_model(self.config, self.weights, readout, device=device, dtype=dtype, fused=fused)

    def to_transformer_lens(
        self,
        *,
        logits: Literal["classes", "raw"] = "classes",
        margin: float = 10.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        tokenizer: Any = None,
    ) -> Any:
        """The model in TransformerLens: see :func:`tracrlab.export.transformer_lens.to_transformer_lens`."""
        from tracrlab.export.transformer_lens import to_transformer_lens

        readout = self.readout(logits, margin)
        return to_transformer_lens(self, readout, device=device, dtype=dtype, tokenizer=tokenizer)

    def to_huggingface(self, *, margin: float = 10.0, dtype: torch.dtype | None = None) -> Pretrained:
        """The model in Transformers, code included: see :func:`tracrlab.export.huggingface.to_huggingface`."""
        from tracrlab.export.huggingface import to_huggingface

        return to_huggingface(self, self._class_readout(margin), dtype=dtype)

    def to_gpt2(
        self,
        *,
        activation: Literal["relu", "gelu"] = "relu",
        margin: float = 10.0,
        dtype: torch.dtype | None = None,
        head: Literal["labels", "lm"] = "labels",
    ) -> Pretrained:
        """A causal model as an ordinary GPT-2: see :func:`tracrlab.export.stock.to_gpt2`."""
        from tracrlab.export.own_dimensions import with_own_dimensions
        from tracrlab.export.stock import to_gpt2

        model = with_own_dimensions(self)
        return to_gpt2(model, model._class_readout(margin), activation=activation, dtype=dtype, head=head)

    def to_bert(
        self, *, activation: Literal["relu", "gelu"] = "relu", margin: float = 10.0, dtype: torch.dtype | None = None
    ) -> Pretrained:
        """The model as an ordinary BERT: see :func:`tracrlab.export.stock.to_bert`."""
        from tracrlab.export.own_dimensions import with_own_dimensions
        from tracrlab.export.stock import to_bert

        model = with_own_dimensions(self)
        return to_bert(model, model._class_readout(margin), activation=activation, dtype=dtype)

    def to_llama(self, *, margin: float = 10.0, dtype: torch.dtype | None = None) -> Pretrained:
        """A causal model as an ordinary Llama: see :func:`tracrlab.export.llama.to_llama`."""
        from tracrlab.export.llama import to_llama
        from tracrlab.export.own_dimensions import with_own_dimensions

        model = with_own_dimensions(self)
        return to_llama(model, model._class_readout(margin), dtype=dtype)

    def to_onnx(
        self, path: str | PathLike[str], *, logits: Literal["classes", "raw"] = "classes", margin: float = 10.0
    ) -> None:
        """Write the model to a file in the ONNX format: see :func:`tracrlab.export.onnx.to_onnx`."""
        from tracrlab.export.onnx import to_onnx

        to_onnx(self, self.readout(logits, margin), path)

    def to_jax(self, *, logits: Literal["classes", "raw"] = "classes", margin: float = 10.0) -> tuple[Apply, Params]:
        """The model as a pure function and a tree of parameters: see :func:`tracrlab.export.jax.to_jax`."""
        from tracrlab.export.jax import to_jax

        return to_jax(self, self.readout(logits, margin))

    def explore(self, tokens: Sequence[Value], *, program: SOp | None = None, reduced: bool = False) -> Any:
        """The explorer in a notebook: see :func:`tracrlab.viz.explorer.widget.explorer_widget`."""
        from tracrlab.viz.explorer.widget import explorer_widget

        return explorer_widget(self, tokens, program=program, reduced=reduced)

    def plot(self, tokens: Sequence[Value] = (), *, kind: Kind = "residual", **options: Any) -> Figure:
        """A figure of what the model does or is: see :func:`tracrlab.viz.figures.plot.plot`."""
        from tracrlab.viz.figures.plot import plot

        return plot(self, tokens, kind=kind, **options)

    def report(self) -> Report:
        """Where every dimension, head, neuron and weight went, by expression; and lower bounds. ``print`` shows it."""
        return model_report(self.weights, self.labels)

    def save_pretrained(self, path: str | PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` into the folder ``path``, made if need be.

        Raises:
            ModelFileError: the folder cannot be written, or the model holds values that have no JSON form.
        """
        from tracrlab.model.storage import save_model

        save_model(self, path)

    def _class_readout(self, margin: float) -> ClassReadout:
        config = self.config
        return class_readout(self.weights.W_U, self.output, margin, pad_id=config.pad_id, dtype=config.dtype)

    def _elements_per_sequence(self, length: int) -> int:
        config = self.config
        widest = max(config.d_mlp, config.d_model, config.n_heads * max(length, config.d_head, config.d_model))
        return length * widest

    def __repr__(self) -> str:
        config = self.config
        kind = "causal" if config.causal else "bidirectional"
        name, text, _ = self.program[-1]
        lines = [
            f"CompiledModel {name} = {text}",
            f"  {_counted(config.n_layers, 'layer')}, d_model {config.d_model}, "
            f"{_counted(config.n_heads, 'head')} of d_head {config.d_head}, "
            f"d_mlp {config.d_mlp}, {kind}, {config.dtype}",
            f"  {config.n_parameters:,} parameters, {self.weights.n_nonzero:,} of them not zero",
            f"  {len(config.vocab)} tokens ({_abridged(config.vocab)}), at most {config.max_seq_len} in a sequence",
        ]
        for layer in range(config.n_layers):
            heads = ", ".join(label.writes for label in self.labels.heads[layer])
            neurons: Counter[str] = Counter()
            for label in self.labels.neurons[layer]:
                neurons[f"clears {label.writes}" if label.clears else label.writes] += label.count
            mlp = ", ".join(f"{effect} ({_counted(count, 'neuron')})" for effect, count in neurons.items())
            lines += [f"  attn {layer + 1}: {heads or '-'}", f"  mlp {layer + 1}: {mlp or '-'}"]
        return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _abridged(values: Sequence[Value], limit: int = 8) -> str:
    shown = " ".join(map(str, values[:limit]))
    return shown if len(values) <= limit else f"{shown} …"
