"""Programs as the intermediate representation, as compact mode makes it."""

from __future__ import annotations

from collections.abc import Sequence

from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.normalise import normalise
from tracrlab.compiler.compact.passes import Attempt, Passes
from tracrlab.compiler.domains import infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.ir.nodes import IR
from tracrlab.craft.formats import FORMATS
from tracrlab.rasp import SOp
from tracrlab.rasp.values import Value


def representation(
    program: SOp, vocabulary: Sequence[Value], length: int, *, causal: bool = False, without: Sequence[str] = ()
) -> IR:
    """The nodes of a program, rewritten by all passes but some."""
    passes = Passes.named([f"-{name}" for name in without]) if without else Passes()
    analysis = infer_domains(trace_graph(program), vocabulary, length, causal=causal)
    return normalise(analysis, passes, Layers(Attempt(passes).precision(FORMATS["float32"]), passes))
