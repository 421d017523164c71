"""How good compressed models are: losses, accuracy, and how alike what they compute is to the compiled model's.

Everything is measured on the whole table of inputs, for many models at once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.compress.forward import MATRICES, FrozenModel, Parameters, forward, frozen_model, model_parameters
from tracrlab.compress.objective import of_layers, of_outputs
from tracrlab.compress.settings import Settings
from tracrlab.compress.target import Target, compiled_target
from tracrlab.craft.spaces import Layout, Variable
from tracrlab.learn.checkpoints import Row
from tracrlab.learn.inputs import training_inputs
from tracrlab.rasp.values import Value

_NOTHING = 1e-3  # what a head that attends to nothing writes is less
_ELEMENTS = 2**24  # of the largest intermediate array, over the models measured at once


@dataclass(frozen=True, eq=False)
class Measures:
    """Of one model, or along a first axis of many.

    Attributes:
        output_loss, layer_loss: unweighted.
        accuracy: the share of tokens with the right answer.
        cosine_written: [sublayer], the mean cosine similarity of what each sublayer writes to what that of the compiled
            model writes, where this is anything.
        cosine_read: [sublayer], the same after W Wᵀ, as later sublayers read it.
    """

    output_loss: Tensor
    layer_loss: Tensor
    accuracy: Tensor
    cosine_written: Tensor
    cosine_read: Tensor


def measured(
    frozen: FrozenModel, settings: Settings, output: Variable, parameters: Parameters, target: Target
) -> Measures:
    """The measures of many models, whose parameters are stacked along a first axis."""
    n_models = len(parameters[MATRICES])
    size = max(1, _ELEMENTS // (target.ids.numel() * max(frozen.config.d_model, frozen.config.d_mlp)))
    chunks = []
    for start in range(0, n_models, size):
        part = {name: tensor[start : start + size] for name, tensor in parameters.items()}

        def one(parameters: dict[str, Tensor]) -> tuple[Tensor, ...]:
            measures = _measured_one(frozen, settings, output, parameters, target)
            return tuple(getattr(measures, field.name) for field in fields(measures))

        with torch.no_grad():
            chunks.append(torch.func.vmap(one)(part))
    return Measures(*(torch.cat(each) for each in zip(*chunks, strict=True)))


def _measured_one(
    frozen: FrozenModel, settings: Settings, output: Variable, parameters: Parameters, target: Target
) -> Measures:
    run = forward(frozen, settings.sharing, parameters, target.ids)
    places = settings.sharing.places(frozen.config.n_layers)
    matrices = parameters[MATRICES]
    as_written, as_read = [], []
    for sublayer, written, wanted in zip(frozen.sublayers, run.written, target.run.written, strict=True):
        counted = target.present & (wanted.abs().amax(dim=-1) > _NOTHING)
        matrix = matrices[places.layers[sublayer.layer]]
        read = (written @ matrix[sublayer.columns]) @ matrix.T
        whole = torch.zeros_like(read).index_copy(-1, sublayer.columns, wanted + torch.zeros_like(written))
        as_written.append(_mean_where(functional.cosine_similarity(written, wanted, dim=-1), counted))
        as_read.append(_mean_where(functional.cosine_similarity(read, whole, dim=-1), counted))
    right = answers(output, run.logits) == answers(output, target.run.logits)
    return Measures(
        of_outputs(output, settings, run.logits, target.run.logits, target.answered),
        of_layers(frozen, settings, parameters, run, target),
        _mean_where(right, target.answered),
        torch.stack(as_written),
        torch.stack(as_read),
    )


def measured_rows(frozen: FrozenModel, measures: Measures) -> list[Row]:
    """The measures of each model as a row of a table; ``None`` for a sublayer that ought to write nothing."""
    columns: dict[str, list[float | None]] = {
        name: getattr(measures, name).tolist() for name in ("output_loss", "layer_loss", "accuracy")
    }
    for kind in ("cosine_written", "cosine_read"):
        for sublayer, cosines in zip(frozen.sublayers, getattr(measures, kind).unbind(dim=1), strict=True):
            values = [None if math.isnan(cosine) else cosine for cosine in cosines.tolist()]
            columns[f"{kind} {sublayer.number}"] = values
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def measured_model(model: CompressedModel, inputs: Iterable[Sequence[Value]] | None = None) -> Row:
    """The measures of one compressed model on these inputs or all, as a row of a table.

    Raises:
        InputError: the inputs do not fit the model.
    """
    frozen = frozen_model(model.original, unfrozen=tuple(model.unfrozen))
    target = compiled_target(frozen, torch.as_tensor(training_inputs(model.original, inputs)))
    stacked = {name: tensor[None] for name, tensor in model_parameters(model).items()}
    measures = measured(frozen, Settings(sharing=model.sharing), model.output, stacked, target)
    return {"d": model.config.d_model, **measured_rows(frozen, measures)[0]}


def mean_cosine(row: Row) -> float:
    """The mean over sublayers of how alike what they write is, as in Figure 8; nan where none writes anything."""
    cosines = [value for name, value in row.items() if name.startswith("cosine_written") and value is not None]
    return statistics.fmean(cosines) if cosines else math.nan


def answers(output: Variable, logits: Tensor) -> Tensor:
    """The number of the answer [b, p] that the logits [b, p, output] give; as ``decode_output`` decodes them."""
    if output.layout is Layout.ONE_HOT:
        return logits.argmax(dim=-1)
    numbers = torch.tensor(output.numbers, dtype=logits.dtype, device=logits.device)
    places = (logits[..., :1] - numbers).abs().argmin(dim=-1)
    return torch.where(logits[..., 1] > 0.5, places, -1) if output.nullable else places


def _mean_where(each: Tensor, counted: Tensor) -> Tensor:
    return (each * counted).sum() / counted.sum()
