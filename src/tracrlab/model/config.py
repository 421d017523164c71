"""What a compiled model is: its shape, vocabulary and number format."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tracrlab.craft.claims import Scope
from tracrlab.craft.formats import FORMATS, NumberFormat
from tracrlab.rasp.values import Value


@dataclass(frozen=True)
class Recipe:
    """What of the options of compiling a configuration does not say, so that a model can be compiled again.

    Attributes: ``passes`` as they were named, ``fit`` the sizes asked for, ``most_combinations``, ``grounds`` and
    ``robust``.
    """

    passes: tuple[str, ...] | None
    fit: tuple[tuple[str, int], ...] | None
    most_combinations: int
    grounds: bool = True
    robust: bool = False


@dataclass(frozen=True)
class ModelConfig:
    """The configuration of a compiled model; names as in TransformerLens.

    ``vocab`` are the ordinary tokens in id order; BOS and PAD have the two ids after them. ``max_seq_len`` counts
    ordinary tokens, so the model has ``n_ctx = max_seq_len + 1`` positions. ``dtype`` is the number format that the
    model computes in; for ``bfloat16`` and ``float16`` the weights are in arrays of ``float32``.
    """

    vocab: tuple[Value, ...]
    max_seq_len: int
    causal: bool = False
    bos: str = "bos"
    pad: str = "pad"
    mode: str = "faithful"
    dtype: str = "float32"
    d_model: int = 0
    n_layers: int = 0
    n_heads: int = 0
    d_head: int = 0
    d_mlp: int = 0
    d_vocab_out: int = 0

    @property
    def number_format(self) -> NumberFormat:
        """What is known of ``dtype``."""
        return FORMATS[self.dtype]

    @property
    def scope(self) -> Scope:
        """What claims about a model of this configuration have to be made for."""
        return Scope(self.vocab, self.max_seq_len, self.causal, self.bos, self.pad, self.dtype)

    @property
    def d_vocab(self) -> int:
        """The number of token ids, BOS and PAD included."""
        return len(self.vocab) + 2

    @property
    def n_ctx(self) -> int:
        """The number of positions, BOS included."""
        return self.max_seq_len + 1

    @property
    def bos_id(self) -> int:
        """The id of BOS."""
        return len(self.vocab)

    @property
    def pad_id(self) -> int:
        """The id of PAD."""
        return len(self.vocab) + 1

    @property
    def n_params(self) -> int:
        """The number of weights, zeros included."""
        attention = 4 * self.n_heads * self.d_model * self.d_head
        mlp = 2 * self.d_model * self.d_mlp
        embeddings = (self.d_vocab + self.n_ctx + self.d_vocab_out) * self.d_model
        return self.n_layers * (attention + mlp) + embeddings

    @property
    def n_parameters(self) -> int:
        """The same as ``n_params``."""
        return self.n_params

    def with_shape(
        self, *, d_model: int, n_layers: int, n_heads: int, d_head: int, d_mlp: int, d_vocab_out: int
    ) -> ModelConfig:
        """This configuration with the sizes of the weights filled in."""
        return replace(
            self,
            d_model=d_model,
            n_layers=n_layers,
            n_heads=n_heads,
            d_head=d_head,
            d_mlp=d_mlp,
            d_vocab_out=d_vocab_out,
        )
