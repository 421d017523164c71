"""Plain subjects: models as they are compiled, with dimensions of their own, and with heads and layers to spare.

Without spare parts there is little to get wrong: many programs need one head a layer, so that most edges there are
belong to the circuit. With dimensions used twice, edges that only clear would change answers when they are ablated
alone, though no value passes through them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tracrlab.compiler.fit import Architecture
from tracrlab.facade import CompiledModel, compile
from tracrlab.lab.inputs import Inputs, answered
from tracrlab.lab.subjects.subject import Subject, moderate_readout
from tracrlab.learn.transformer import torch_model
from tracrlab.model.surgery.own_dimensions import with_own_dimensions
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value

LEAST_HEADS, LEAST_LAYERS = 4, 4  # as InterpBench's subjects have, which has 4 heads; and at least one layer to spare

Mode = Literal["faithful", "compact"]


def roomy_model(program: SOp, vocab: tuple[Value, ...], max_seq_len: int, mode: Mode, *, causal: bool) -> CompiledModel:
    """The compiled model with heads and layers to spare, and dimensions of its own for every variable.

    Raises:
        CompileError, VocabularyError: as for :func:`tracrlab.compile`.
    """
    least = compile(program, vocab, max_seq_len, mode=mode, causal=causal).config
    shape = Architecture(
        n_layers=max(least.n_layers + 1, LEAST_LAYERS), n_heads=max(least.n_heads, LEAST_HEADS), d_head=least.d_head
    )
    model = compile(program, vocab, max_seq_len, mode=mode, causal=causal, fit=shape)
    return CompiledModel.of(with_own_dimensions(model))


def plain(model: CompiledModel, inputs: Inputs, seed: int) -> Subject:
    """The compiled model itself."""
    readout = moderate_readout(model, inputs.tensor, answered(model.config, inputs.tensor))
    module = torch_model(model.config, model.weights, readout)
    structural = {edge: edge.is_constant for edge in model.circuit().edges}
    return Subject(model, module, np.eye(model.config.d_model), structural, True, f"compiled, {model.config.mode} mode")
