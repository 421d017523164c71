"""Subjects whose residual stream is seen in other directions: rotated, or compressed into fewer dimensions.

Of a rotated subject no dimension means anything, heads and neurons stand in another order and have another scale. What
head or MLP edges carry is the same, so methods that score edges must come to the same scores; for neurons, probes,
dictionaries and subspaces everything is different. Compact models that read small differences with large weights do not
survive it, and are refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tracrlab.compress.exact import exact_compression
from tracrlab.facade import CompiledModel
from tracrlab.lab.inputs import Inputs
from tracrlab.lab.subjects.plain import plain
from tracrlab.lab.subjects.subject import Subject
from tracrlab.learn.transformer import Transformer, torch_model
from tracrlab.model.circuit import Edge, Node, constant_embeddings
from tracrlab.model.config import ModelConfig
from tracrlab.model.surgery.rotation import orthogonal_matrix
from tracrlab.model.weights import Weights
from tracrlab.shapes import Float, Int

LARGEST_SCALE = 3  # neurons and heads are rescaled by powers of two, from 1/8 to 8, which rounds nothing


def rotated(model: CompiledModel, inputs: Inputs, seed: int) -> Subject:
    """The model after a random rotation, with heads and neurons permuted and rescaled."""
    made, rng = plain(model, inputs, seed), np.random.default_rng(seed)
    config, basis = model.config, orthogonal_matrix(model.config.d_model, seed)
    heads = [rng.permutation(config.n_heads) for _ in range(config.n_layers)]
    weights = _framed(_shuffled(model.weights, heads, rng), basis, basis, config.dtype)
    return replace(
        made,
        module=framed_module(made, model, config, weights, basis),
        frame=basis,
        structural={_renamed(edge, heads): constant for edge, constant in made.structural.items()},
        is_dense=True,
        note="rotated; heads and neurons permuted and rescaled",
    )


def compressed(model: CompiledModel, inputs: Inputs, seed: int) -> Subject:
    """The model in as few dimensions as one linear map keeps exact."""
    made, squeezed = plain(model, inputs, seed), exact_compression(model)
    sizes = f"{model.config.d_model} dimensions in {squeezed.config.d_model}"
    return replace(
        made,
        module=framed_module(made, model, squeezed.config, squeezed.weights, squeezed.W),
        frame=squeezed.W,
        is_dense=True,
        note=f"compressed: {sizes}",
    )


def framed_module(
    made: Subject, model: CompiledModel, config: ModelConfig, weights: Weights, frame: Float[np.ndarray, "D d"]
) -> Transformer:
    """A module with these weights, whose unembedding and constants are those of a plain subject in another frame."""
    readout = replace(made.readout, W_U=frame.T @ made.readout.W_U)
    module = torch_model(config, weights, readout)
    like, constants = module.embed.W_E, constant_embeddings(model.config, model.weights)
    module.embed.constant, module.pos_embed.constant = (torch.tensor(each @ frame).to(like) for each in constants)
    return module


def _framed(weights: Weights, into: Float[np.ndarray, "D d"], out: Float[np.ndarray, "D d"], dtype: str) -> Weights:
    written = {name: getattr(weights, name) @ into for name in ("W_E", "W_pos", "W_O", "W_out")}
    read = {name: out.T @ getattr(weights, name) for name in ("W_Q", "W_K", "W_V", "W_in", "W_U")}
    return Weights(**{name: array.astype(dtype) for name, array in (written | read).items()})


def _shuffled(weights: Weights, heads: list[Int[np.ndarray, " head"]], rng: np.random.Generator) -> Weights:
    """The same function, with heads at the places ``heads`` says, neurons in any order, and all of another scale."""
    arrays = weights.as_dict() | {}
    for name in ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"):
        arrays[name] = np.array(arrays[name], float)
    for layer, order in enumerate(heads):
        inverse = np.argsort(order)
        for name in ("W_Q", "W_K", "W_V", "W_O"):
            arrays[name][layer] = arrays[name][layer][inverse]
        for one, other in (("W_Q", "W_K"), ("W_O", "W_V")):
            scale = _scales(len(order), rng)[:, None, None]
            arrays[one][layer], arrays[other][layer] = arrays[one][layer] * scale, arrays[other][layer] / scale
        neurons = rng.permutation(arrays["W_in"].shape[2])
        scale = _scales(len(neurons), rng)
        arrays["W_in"][layer] = arrays["W_in"][layer][:, neurons] * scale
        arrays["W_out"][layer] = arrays["W_out"][layer][neurons] / scale[:, None]
    return Weights(**arrays)


def _scales(n: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    scales: np.ndarray = 2.0 ** rng.integers(-LARGEST_SCALE, LARGEST_SCALE + 1, n)
    return scales


def _renamed(edge: Edge, heads: list[Int[np.ndarray, " head"]]) -> Edge:
    """The edge between the parts at their new places."""

    def moved(node: Node) -> Node:
        if node.layer is None or node.head is None:
            return node
        return replace(node, head=int(heads[node.layer][node.head]))

    return replace(edge, source=moved(edge.source), target=moved(edge.target))
