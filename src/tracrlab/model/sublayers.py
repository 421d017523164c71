"""The sublayers of a model in their order, and the names of layers, heads and neurons, which are counted from 0.

``embed`` comes first, then for each layer its attention and its MLP: ``a0``, ``m0``, ``a1``, ``m1``, … Head 1 of ``a0``
is ``a0.h1``, neuron 3 of ``m0`` is ``m0.n3``.
"""

from __future__ import annotations


class Sublayer(int):
    """The embedding, or the attention or MLP of a layer; a later one is greater.

    As a number it is −1 for the embedding, 2l for the attention and 2l + 1 for the MLP of layer l, as files have it.
    """

    @classmethod
    def attention(cls, layer: int) -> Sublayer:
        """The attention of a layer."""
        return cls(2 * layer)

    @classmethod
    def mlp(cls, layer: int) -> Sublayer:
        """The MLP of a layer."""
        return cls(2 * layer + 1)

    @classmethod
    def end(cls, n_layers: int) -> Sublayer:
        """What comes after the last sublayer of a model with so many layers: the unembedding."""
        return cls(2 * n_layers)

    @property
    def layer(self) -> int:
        """The layer of an attention or MLP."""
        return self // 2

    @property
    def is_attention(self) -> bool:
        """Whether it has heads."""
        return self >= 0 and self % 2 == 0

    @property
    def is_mlp(self) -> bool:
        """Whether it has neurons."""
        return self >= 0 and self % 2 == 1

    @property
    def before(self) -> Sublayer:
        """The sublayer before it."""
        return Sublayer(self - 1)

    @property
    def after(self) -> Sublayer:
        """The sublayer after it."""
        return Sublayer(self + 1)

    def __str__(self) -> str:
        return "embed" if self < 0 else f"{'m' if self.is_mlp else 'a'}{self.layer}"

    __repr__ = __str__


EMBEDDING = Sublayer(-1)


def sublayers(n_layers: int) -> tuple[Sublayer, ...]:
    """The embedding and all sublayers of a model with so many layers."""
    return tuple(map(Sublayer, range(EMBEDDING, Sublayer.end(n_layers))))


def head_name(layer: int, head: int) -> str:
    """The name of a head, such as ``a0.h1``."""
    return f"{Sublayer.attention(layer)}.h{head}"


def neurons_name(layer: int, neurons: range) -> str:
    """The name of a neuron, such as ``m0.n3``, or of several in a row, such as ``m0.n3–5``."""
    first, last = neurons.start, neurons.stop - 1
    return f"{Sublayer.mlp(layer)}.n{first}" + (f"–{last}" if last > first else "")
