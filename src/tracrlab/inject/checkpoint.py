"""What a graft is made of: the checkpoint, and what went into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tracrlab.inject.host import Host
from tracrlab.inject.plan import Lanes
from tracrlab.inject.tokens import TokenMap
from tracrlab.model.artefact import Artefact


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What grafting makes, as data.

    Attributes: ``model``, an ordinary ``LlamaForCausalLM`` in float32; ``tokenizer``, which puts BOS in front;
    ``lanes``: where everything is; ``sources``: the programs as they went in; ``maps``: which tokens they see;
    ``host``.
    """

    model: Any
    tokenizer: Any = field(repr=False)
    lanes: Lanes = field(repr=False)
    sources: tuple[Artefact, ...] = field(repr=False)
    maps: tuple[TokenMap, ...] = field(repr=False)
    host: Host = field(repr=False)
