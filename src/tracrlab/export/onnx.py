"""Compiled models in the ONNX format, written node by node from the arrays: no other framework takes part."""

from __future__ import annotations

import json
import math
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tracrlab.errors import ExportError, ModelFileError
from tracrlab.export.arrays import readout_arrays
from tracrlab.extras import require
from tracrlab.files import complaint, write_output
from tracrlab.model.artefact import Artefact
from tracrlab.model.json_values import value_to_json
from tracrlab.model.readout import ClassReadout, Readout

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 18, 8  # of 2022: older runtimes read it too
Shapes = dict[str, list[str | int]]  # a name for an axis of any size
_LARGEST_FILE = 2**31 - 2**20  # bytes of a protocol buffer, with room for all but the weights


def to_onnx(model: Artefact, readout: Readout, path: str | PathLike[str]) -> None:
    """Write the model with this unembedding to the file ``path``; see :func:`onnx_model`.

    Raises:
        MissingDependencyError: onnx is not installed.
        ModelFileError: the file cannot be written.
        ExportError, PrecisionError: as for :func:`onnx_model`.
    """
    require("onnx", extra="onnx", purpose="to_onnx")
    content = onnx_model(model, readout).SerializeToString()
    try:
        write_output(path, content)
    except OSError as error:
        raise ModelFileError(complaint(path, error)) from error


def onnx_model(model: Artefact, readout: Readout) -> onnx.ModelProto:
    """The model as an ONNX graph, in the readout's number format.

    The input is ``ids`` [batch, position], int64, as ``model.encode`` gives them; padding is masked. Outputs are
    ``logits`` and, by their names in TransformerLens, the residual streams and attention patterns of all layers. The
    metadata hold, as JSON, the vocabulary, special tokens, answers (``null`` where the
    logits are raw), program and labels; values are written as in a saved model's ``config.json``.

    Raises:
        ExportError: the model is too large for a file of this format.
        PrecisionError: the weights are beyond the range of the readout's number format.
        ModelFileError: values have no JSON form.
    """
    import onnx
    from onnx import helper

    graph = _Graph(np.dtype(readout.dtype))
    arrays = readout_arrays(model, readout)
    if sum(array.nbytes for array in arrays.values()) > _LARGEST_FILE:
        raise ExportError("the model has more than 2 GiB of weights, which no ONNX file can hold; use to_huggingface")
    for name, array in arrays.items():
        graph.constant(name, array)
    outputs: Shapes = {"logits": ["batch", "position", len(readout.b_U)], **_transformer(graph, model)}
    float_type = helper.np_dtype_to_tensor_dtype(graph.dtype)
    value_infos = [helper.make_tensor_value_info(name, float_type, shape) for name, shape in outputs.items()]
    ids = helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["batch", "position"])
    proto = helper.make_model(
        helper.make_graph(graph.nodes, _identifier(model.output_name), [ids], value_infos, graph.initializers),
        producer_name="tracrlab",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(proto, {key: json.dumps(value) for key, value in _metadata(model, readout).items()})
    onnx.checker.check_model(proto)
    return proto


class _Graph:
    """The nodes and constants of a graph; ``node`` appends one and returns the name of what it gives."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, *inputs: str, name: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name


def _transformer(graph: _Graph, model: Artefact) -> Shapes:
    """Append the transformer; the names and shapes of its residual streams and patterns."""
    config = model.config
    residual: list[str | int] = ["batch", "position", config.d_model]
    outputs: Shapes = {}
    visible, length = _visible(graph, model)
    at_positions = graph.node("Slice", "pos_embed.W_pos", _ZERO, length, _ZERO, name="positions")
    at_tokens = graph.node("Gather", "embed.W_E", "ids", axis=0, name="tokens")
    x = graph.node("Add", at_tokens, at_positions, name="blocks.0.hook_resid_pre")
    outputs[x] = residual
    for layer in range(config.n_layers):
        here = f"blocks.{layer}"
        written = _attention(graph, f"{here}.attn", x, visible, config.d_head)
        outputs[f"{here}.attn.hook_pattern"] = ["batch", config.n_heads, "position", "position"]
        x = graph.node("Add", x, written, name=f"{here}.hook_resid_mid")
        outputs[x] = residual
        pre = graph.node("MatMul", x, f"{here}.mlp.W_in", name=f"{here}.mlp.hook_pre")
        post = graph.node("Relu", pre, name=f"{here}.mlp.hook_post")
        written = graph.node("MatMul", post, f"{here}.mlp.W_out", name=f"{here}.hook_mlp_out")
        x = graph.node("Add", x, written, name=f"{here}.hook_resid_post")
        outputs[x] = residual
    unembedded = graph.node("MatMul", x, "unembed.W_U", name="unembedded")
    graph.node("Add", unembedded, "unembed.b_U", name="logits")
    return outputs


_ZERO, _ONE = "zero", "one"  # constants [1], int64


def _visible(graph: _Graph, model: Artefact) -> tuple[str, str]:
    """Which keys each query may attend to [batch, 1, query, key], and the number of positions [1]."""
    config = model.config
    graph.constant(_ZERO, np.zeros(1, np.int64))
    graph.constant(_ONE, np.ones(1, np.int64))
    graph.constant("pad_id", np.array(config.pad_id, np.int64))
    graph.constant("minus_infinity", np.array(-math.inf, graph.dtype))
    square = np.ones((config.n_ctx, config.n_ctx), bool)
    graph.constant("allowed", np.tril(square) if config.causal else square)
    graph.constant("axes_of_square", np.array([0, 1], np.int64))
    graph.constant("axes_of_heads_and_queries", np.array([1, 2], np.int64))
    graph.constant("origin", np.zeros(2, np.int64))
    length = graph.node("Shape", "ids", start=1, end=2, name="length")
    corner = graph.node("Concat", length, length, axis=0, name="corner")
    allowed = graph.node("Slice", "allowed", "origin", corner, "axes_of_square", name="allowed_here")
    padding = graph.node("Equal", "ids", "pad_id", name="padding")
    present = graph.node("Not", padding, name="present")
    keys = graph.node("Unsqueeze", present, "axes_of_heads_and_queries", name="present_keys")
    return graph.node("And", keys, allowed, name="visible"), length


def _attention(graph: _Graph, here: str, x: str, visible: str, d_head: int) -> str:
    """Append the heads of a layer, which have an axis of their own after the batch; what they write."""
    divisor = graph.constant(f"{here}.divisor", np.array(math.sqrt(d_head), graph.dtype))
    for_all = graph.node("Unsqueeze", x, _ONE, name=f"{here}.input")
    q, k, v = (graph.node("MatMul", for_all, f"{here}.W_{kind}", name=f"{here}.{kind}") for kind in "QKV")
    keys = graph.node("Transpose", k, perm=[0, 1, 3, 2], name=f"{here}.keys")
    products = graph.node("MatMul", q, keys, name=f"{here}.products")
    scores = graph.node("Div", products, divisor, name=f"{here}.scores")
    masked = graph.node("Where", visible, scores, "minus_infinity", name=f"{here}.hook_attn_scores")
    pattern = graph.node("Softmax", masked, axis=-1, name=f"{here}.hook_pattern")
    z = graph.node("MatMul", pattern, v, name=f"{here}.z")
    results = graph.node("MatMul", z, f"{here}.W_O", name=f"{here}.results")
    return graph.node("ReduceSum", results, _ONE, keepdims=0, name=here.replace("attn", "hook_attn_out"))


def _metadata(model: Artefact, readout: Readout) -> dict[str, Any]:
    """What a user needs to know of the model, as data with a JSON form."""
    config = model.config
    classes = [value_to_json(each) for each in readout.classes] if isinstance(readout, ClassReadout) else None
    return {
        "classes": classes,
        "vocab": [value_to_json(token) for token in config.vocab],
        "bos": config.bos,
        "pad": config.pad,
        "bos_id": config.bos_id,
        "pad_id": config.pad_id,
        "max_seq_len": config.max_seq_len,
        "causal": config.causal,
        "program": [list(entry) for entry in model.program],
        "residual_labels": list(model.labels.histories),
        "head_labels": [[head.writes for head in heads] for heads in model.labels.heads],
    }


def _identifier(name: str) -> str:
    """The name with underscores for what a C identifier, as the format wants it, cannot hold."""
    return "".join(character if character.isascii() and character.isalnum() else "_" for character in name) or "model"
