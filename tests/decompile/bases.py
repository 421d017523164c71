"""Models said in other words: parts in another order, dimensions in another basis. They compute the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracrlab import CompiledModel
from tracrlab.model.weights import Weights
from tracrlab.rasp.batches import every_input

_READ = {"W_Q": 2, "W_K": 2, "W_V": 2, "W_in": 1, "W_U": 0}  # the axis along which each reads the residual stream
_WRITTEN = {"W_E": 1, "W_pos": 1, "W_O": 3, "W_out": 2}  # and writes it


def permuted(model: CompiledModel, rng: np.random.Generator) -> CompiledModel:
    """The model with its dimensions, heads and neurons in random order."""
    config, arrays = model.config, exact_arrays(model)
    for layer in range(config.n_layers):
        heads, neurons = rng.permutation(config.n_heads), rng.permutation(config.d_mlp)
        for name in ("W_Q", "W_K", "W_V", "W_O"):
            arrays[name][layer] = arrays[name][layer][heads]
        arrays["W_in"][layer] = arrays["W_in"][layer][:, neurons]
        arrays["W_out"][layer] = arrays["W_out"][layer][neurons]
    own = np.eye(config.d_model)[rng.permutation(config.d_model)]
    return _in_basis(model, arrays, own, own.T)


def rotated(model: CompiledModel, rng: np.random.Generator) -> CompiledModel:
    """The model in a random orthogonal basis."""
    basis, _ = np.linalg.qr(rng.standard_normal((model.config.d_model,) * 2))
    return _in_basis(model, exact_arrays(model), basis, basis.T)


def transformed(model: CompiledModel, rng: np.random.Generator) -> CompiledModel:
    """The model in a random basis, of a condition of ten or so, in which directions are not orthogonal."""
    size = model.config.d_model
    first, _ = np.linalg.qr(rng.standard_normal((size, size)))
    second, _ = np.linalg.qr(rng.standard_normal((size, size)))
    scales = np.exp(rng.uniform(-1, 1, size))
    return _in_basis(model, exact_arrays(model), first * scales @ second, second.T / scales @ first.T)


def projected(model: CompiledModel, rng: np.random.Generator) -> CompiledModel:
    """The model in as many dimensions as its activations span on all inputs: nothing is lost, but axes are."""
    config, codes = model.config, every_input(len(model.config.vocab), model.config.max_seq_len)
    codes = codes[rng.permutation(len(codes))[:400]]
    ids = np.column_stack([np.full(len(codes), config.bos_id), np.where(codes >= 0, codes, config.pad_id)])
    from tracrlab.model.forward import forward_with_activations

    weights = Weights(**exact_arrays(model))
    run = forward_with_activations(replace(config, dtype="float64"), weights, ids)
    rows = np.concatenate([each[ids != config.pad_id] for each in run.residuals])
    _, sizes, directions = np.linalg.svd(rows[:: max(1, len(rows) // 20000)], full_matrices=False)
    kept = directions[sizes > 1e-9 * sizes[0]]
    turn, _ = np.linalg.qr(rng.standard_normal((len(kept), len(kept))))
    return _in_basis(model, exact_arrays(model), kept.T @ turn, turn.T @ kept)


def exact_arrays(model: CompiledModel) -> dict[str, np.ndarray]:
    """Copies of the weights in double precision."""
    return {name: array.astype(float) for name, array in model.weights.as_dict().items()}


def _in_basis(
    model: CompiledModel, arrays: dict[str, np.ndarray], into: np.ndarray, out_of: np.ndarray
) -> CompiledModel:
    """The model with the stream x · ``into``, of which x is ``out_of`` again."""
    for name, axis in _WRITTEN.items():
        arrays[name] = np.moveaxis(np.moveaxis(arrays[name], axis, -1) @ into, -1, axis)
    for name, axis in _READ.items():
        arrays[name] = np.moveaxis(np.moveaxis(arrays[name], axis, -1) @ out_of.T, -1, axis)
    config = replace(model.config, d_model=into.shape[1], dtype="float64")
    return replace(model, config=config, weights=Weights(**arrays))
