"""Compiled models: weights, labels, running, tracing, saving."""

from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import Labels
from tracrlab.model.trace import Trace

__all__ = ["Artefact", "Labels", "ModelConfig", "Trace"]
