"""``CompiledModel``: a transformer together with the knowledge of what everything in it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from tracrlab.craft.claims import Claims
from tracrlab.craft.spaces import Layout, Variable
from tracrlab.model.config import ModelConfig
from tracrlab.model.forward import forward, forward_with_activations
from tracrlab.model.labels import Labels
from tracrlab.model.tokenizer import encode_batch
from tracrlab.model.trace import Step, Trace, sublayer_name
from tracrlab.model.weights import Weights
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float, Int

_BATCH_ELEMENTS = 2**25  # floats of the largest intermediate array of a batch


@dataclass(frozen=True, eq=False, repr=False)
class CompiledModel:
    """A transformer compiled from a RASP program.

    Attributes: ``config``; ``weights``; ``labels`` of dimensions, heads and neurons; ``output`` says how an answer is
    decoded from the logits; ``program`` name, text and source line of each expression, sources first.
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
        answers: list[list[Value]] = []
        for start in range(0, len(sequences), size):
            batch = sequences[start : start + size]
            logits = self.forward(encode_batch(self.config, batch))
            answers += [self._decode(row[1 : len(sequence) + 1]) for row, sequence in zip(logits, batch, strict=True)]
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
        activations = forward_with_activations(self.config, self.weights, encode_batch(self.config, [tokens]))
        steps = []
        for number, residual in enumerate(activations.residuals):
            sublayer = number - 1
            written = tuple(v for v in self.labels.variables if v.sublayer == sublayer)
            pattern = activations.patterns[sublayer // 2][0] if sublayer >= 0 and sublayer % 2 == 0 else None
            steps.append(Step(sublayer_name(sublayer), residual[0], written, pattern))
        return Trace(tuple(tokens), tuple(steps), self._decode(activations.logits[0, 1:]), self.labels)

    def save_pretrained(self, path: str | PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` into the folder ``path``, made if need be.

        Raises:
            ModelFileError: the folder cannot be written, or the model holds values that have no JSON form.
        """
        from tracrlab.model.storage import save_model

        save_model(self, path)

    def _decode(self, logits: Float[np.ndarray, "position d_vocab_out"]) -> list[Value]:
        variable = self.output
        if variable.layout is Layout.SCALAR or not variable.nullable:
            return variable.decode(logits)
        values = (*variable.values, None)
        return [values[place] for place in logits.argmax(axis=1).tolist()]

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
                neurons[label.writes] += label.count
            mlp = ", ".join(f"{writes} ({_counted(count, 'neuron')})" for writes, count in neurons.items())
            lines += [f"  attn {layer + 1}: {heads or '-'}", f"  mlp {layer + 1}: {mlp or '-'}"]
        return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _abridged(values: Sequence[Value], limit: int = 8) -> str:
    shown = " ".join(map(str, values[:limit]))
    return shown if len(values) <= limit else f"{shown} …"
