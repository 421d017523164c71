"""Compiled models in JAX: a pure function and the tree of its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracrlab.errors import PrecisionError
from tracrlab.export.arrays import readout_arrays
from tracrlab.extras import require
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.readout import Readout

if TYPE_CHECKING:
    import jax

Params = dict[str, Any]
Apply = Callable[[Params, "jax.Array"], "jax.Array"]


def to_jax(model: Artefact, readout: Readout) -> tuple[Apply, Params]:
    """The model with this unembedding, as ``apply`` and ``params``, in the readout's number format.

    ``apply(params, ids)`` gives logits [..., position, class] of token ids [..., position] as ``model.encode`` gives
    them; padding is masked. It is pure, so it can be compiled, differentiated and mapped. ``params`` are nested
    dictionaries, and a list of layers, with the names of TransformerLens: ``params["blocks"][0]["attn"]["W_Q"]``.

    Raises:
        MissingDependencyError: JAX is not installed.
        PrecisionError: the logits need float64, which JAX has not been told to allow; or weights are beyond the range
            of the readout's number format.
    """
    jax = require("jax", extra="jax", purpose="to_jax")
    if readout.dtype == "float64" and not jax.config.jax_enable_x64:
        raise PrecisionError(
            model.output_name,
            None,
            "its logits need float64, which JAX does not allow as it is set",
            'Call jax.config.update("jax_enable_x64", True) first',
        )
    params: Params = {"blocks": [{"attn": {}, "mlp": {}} for _ in range(model.config.n_layers)]}
    for name, array in readout_arrays(model, readout).items():
        *path, last = name.split(".")
        place: Any = params
        for key in path:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        place[last] = jax.numpy.asarray(array)
    return _apply_function(model.config), params


def _apply_function(config: ModelConfig) -> Apply:
    """The forward pass; products are in full precision, which accelerators do not have by default."""
    import jax
    from jax import numpy as jnp

    def product(formula: str, *arrays: jax.Array) -> jax.Array:
        return jnp.einsum(formula, *arrays, precision=jax.lax.Precision.HIGHEST)

    def attention(params: Params, x: jax.Array, visible: jax.Array) -> jax.Array:
        q, k, v = (product("...pd,hde->...hpe", x, params[name]) for name in ("W_Q", "W_K", "W_V"))
        scores = product("...qe,...ke->...qk", q, k) / math.sqrt(config.d_head)
        pattern = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1)
        return product("...hqe,hed->...qd", product("...qk,...ke->...qe", pattern, v), params["W_O"])

    def mlp(params: Params, x: jax.Array) -> jax.Array:
        return product("...pm,md->...pd", jax.nn.relu(product("...pd,dm->...pm", x, params["W_in"])), params["W_out"])

    def apply(params: Params, ids: jax.Array) -> jax.Array:
        """Logits [..., position, class] of token ids [..., position]."""
        length = ids.shape[-1]
        square = jnp.ones((length, length), bool)
        visible = (ids != config.pad_id)[..., None, None, :] & (jnp.tril(square) if config.causal else square)
        x = params["embed"]["W_E"][ids] + params["pos_embed"]["W_pos"][:length]
        for block in params["blocks"]:
            x = x + attention(block["attn"], x, visible)
            x = x + mlp(block["mlp"], x)
        logits: jax.Array = product("...pd,dc->...pc", x, params["unembed"]["W_U"]) + params["unembed"]["b_U"]
        return logits

    return apply
