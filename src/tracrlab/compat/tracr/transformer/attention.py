"""Multi-head attention with haiku's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracrlab.compat.arrays import array_namespace, linear
from tracrlab.compat.records import Record
from tracrlab.compat.tracr.transformer.made import MadeLinear, MadeParams, in_transform


@dataclass(eq=False)
class AttentionOutput(Record):
    """``out [batch, position, direction]`` and the masked ``logits [batch, head, query, key]``."""

    out: Any
    logits: Any


class MultiHeadAttention:
    """Attention with given parameters: ``params`` has ``query``, ``key``, ``value`` and ``linear``, each ``{w, b}``.

    The other arguments say how haiku would make new parameters, which is not done here.
    """

    def __init__(
        self,
        num_heads: int,
        key_size: int,
        w_init_scale: float | None = None,
        *,
        w_init: Any = None,
        value_size: int | None = None,
        model_size: int | None = None,
        name: str | None = None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.num_heads = num_heads
        self.key_size = key_size
        self.value_size = value_size or key_size
        self.model_size = model_size or key_size * num_heads
        self.name = name
        self.params = required_params(params, "MultiHeadAttention")

    def __call__(self, query: Any, key: Any, value: Any, mask: Any = None) -> AttentionOutput:
        """Attention of ``query`` to ``key`` and ``value [batch, position, direction]`` where ``mask`` is true."""
        xp = array_namespace(query, *self.params["query"].values())
        queries, keys, values = (
            self._linear(kind, vectors).reshape(*vectors.shape[:2], self.num_heads, -1).swapaxes(1, 2)
            for kind, vectors in (("query", query), ("key", key), ("value", value))
        )
        logits = queries @ keys.swapaxes(-1, -2) / xp.sqrt(self.key_size).astype(queries.dtype)
        if mask is not None:
            logits = xp.where(mask, logits, -1e30)
        weights = xp.exp(logits - logits.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True)) @ values
        joint = mixed.swapaxes(1, 2).reshape(*query.shape[:2], -1)
        return AttentionOutput(self._linear("linear", joint, query.shape[-1]), logits)

    def _linear(self, kind: str, vectors: Any, width: int | None = None) -> Any:
        return applied(self.params[kind], vectors, width or vectors.shape[-1])


def applied(params: Mapping[str, Any], vectors: Any, width: int) -> Any:
    """A linear map of vectors, by given parameters or by those that haiku makes."""
    return params(vectors, width) if isinstance(params, MadeLinear) else linear(vectors, params)


def required_params(params: Mapping[str, Any] | None, what: str, new: MadeParams | None = None) -> Mapping[str, Any]:
    """The parameters, which are given, or inside ``hk.transform``, the ``new`` ones.

    Raises:
        NotImplementedError: they are neither.
    """
    if params is None and new is not None and in_transform():
        return new
    if params is None:
        raise NotImplementedError(
            f"{what} runs given parameters: pass params=model.params of a compiled model; to have haiku make new ones, "
            "build it inside hk.transform, as a whole Transformer"
        )
    return params
