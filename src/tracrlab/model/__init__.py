"""Compiled models: weights, labels, running, tracing, saving."""

from tracrlab.model.compiled import CompiledModel
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import Labels
from tracrlab.model.trace import Trace

__all__ = ["CompiledModel", "Labels", "ModelConfig", "Trace"]
