"""Graph files of EAP-IG (Hanna et al. 2024), which the Mechanistic Interpretability Benchmark reads, too.

There the embedding is one part, ``input``: an edge from it has the largest score of those from tokens, positions and
constants, and is in the graph if one of them is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tracrlab.lab.cases import Case
from tracrlab.model.circuit import Edge

INPUT = "input"


def eap_ig_graph(case: Case, scores: Mapping[Edge, float] | None = None) -> str:
    """The graph of a case: its circuit, scored 1 and 0, or the scores of a method with the circuit marked in it."""
    config, circuit = case.module.config, case.truth.circuit
    edges: dict[str, dict[str, float | bool]] = {}
    for edge in case.edges:
        name = edge_name(edge)
        score = float(edge in circuit) if scores is None else float(scores[edge])
        known = edges.setdefault(name, {"score": score, "in_graph": False})
        if abs(score) > abs(known["score"]):
            known["score"] = score
        known["in_graph"] = known["in_graph"] or edge in circuit
    names = dict.fromkeys(part for name in edges for part in _ends(name))
    used = {part for name, own in edges.items() if own["in_graph"] for part in _ends(name)}
    sizes = {"n_layers": config.n_layers, "n_heads": config.n_heads, "d_model": config.d_model}
    graph = {
        "cfg": sizes | {"parallel_attn_mlp": False},
        "nodes": {name: {"in_graph": name in used} for name in names},
        "edges": edges,
    }
    return json.dumps(graph, indent=1)


def edge_name(edge: Edge) -> str:
    """What EAP-IG calls an edge: ``input->a0.h1<q>``, ``a0.h1->m0``, ``m0->logits``."""
    source = str(edge.source)
    return f"{INPUT if source in ('tokens', 'positions', 'constant') else source}->{edge.reader}"


def _ends(name: str) -> tuple[str, str]:
    source, _, reader = name.partition("->")
    return source, reader.partition("<")[0]
