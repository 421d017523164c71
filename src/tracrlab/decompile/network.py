"""What a decompiler may read of a model: its weights, its vocabulary, how it attends, and how its answers are read.

Labels, claims and the program are not part of it, and nothing here depends on the order or the basis of dimensions.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields

import numpy as np

from tracrlab.craft.spaces import Variable
from tracrlab.errors import DecompileError
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.forward import forward
from tracrlab.model.readout import decode_output
from tracrlab.model.weights import Weights, weight_shapes
from tracrlab.rasp.batches import Coded
from tracrlab.rasp.values import Value, value_key
from tracrlab.shapes import Int

_BATCH_ELEMENTS = 2**24  # floats of the largest intermediate array of a batch


@dataclass(frozen=True, eq=False)
class Network:
    """A transformer without names.

    Attributes: ``config`` with vocabulary, special tokens, length, attention and format; ``weights`` in that format;
    ``exact`` the same in double precision, so that what is seen of them is not their rounding; ``output`` how an
    answer is decoded from what the unembedding gives.
    """

    config: ModelConfig
    weights: Weights
    exact: Weights
    output: Variable

    @classmethod
    def of(cls, model: Artefact) -> Network:
        """What may be read of a model of this project.

        Raises:
            DecompileError: weights are not finite, or do not have the shapes that the configuration says.
        """
        shapes = weight_shapes(model.config)
        for name, array in model.weights.as_dict().items():
            if array.shape != shapes[name]:
                raise DecompileError(
                    f"{name} has shape {array.shape}, but the configuration says {shapes[name]}; compile or save the "
                    "model again"
                )
            if not np.isfinite(array).all():
                raise DecompileError(f"{name} has weights that are not finite; compile or train the model again")
        exact = Weights(**{each.name: getattr(model.weights, each.name).astype(float) for each in fields(Weights)})
        return cls(model.config, model.weights, exact, model.output)

    def answers(self, codes: Int[np.ndarray, "input position"]) -> Coded:
        """The model's answers to inputs that are given as places in the vocabulary, -1 beyond an input's end."""
        config, inside = self.config, codes >= 0
        widest = max(config.d_mlp, config.d_model, config.n_heads * max(codes.shape[1] + 1, config.d_head))
        size = max(1, _BATCH_ELEMENTS // ((codes.shape[1] + 1) * widest))
        decoded: list[Value] = []
        for start in range(0, len(codes), size):
            part = codes[start : start + size]
            ids = np.column_stack([np.full(len(part), config.bos_id), np.where(part >= 0, part, config.pad_id)])
            logits = forward(config, self.weights, ids)[:, 1:]
            decoded += decode_output(self.output, logits[inside[start : start + size]])
        number: dict[Hashable, int] = {}
        distinct: list[Value] = []
        own = np.zeros(len(decoded), int)
        for row, value in enumerate(decoded):
            own[row] = number.setdefault(value_key(value), len(distinct))
            if own[row] == len(distinct):
                distinct.append(value)
        answered = np.zeros(codes.shape, int)
        answered[inside] = own
        return Coded(tuple(distinct) or (None,), answered)
