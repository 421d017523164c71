"""Other tools' names and files say of every edge what the case says."""

from __future__ import annotations

import json

import pytest

from tests.lab.cases import small_case
from tracrlab import lab
from tracrlab.lab.formats.eap_ig import eap_ig_graph, edge_name
from tracrlab.lab.formats.hooks import acdc_edges, autocircuit_name

pytestmark = pytest.mark.frameworks


def test_the_graph_of_eap_ig_has_every_edge_once_with_the_largest_score() -> None:
    case = small_case("reverse")
    graph = json.loads(eap_ig_graph(case))
    layers, heads = graph["cfg"]["n_layers"], graph["cfg"]["n_heads"]
    sources = [1 + layer * (heads + 1) for layer in range(layers)]
    assert len(graph["edges"]) == sum(3 * heads * n + n + heads for n in sources) + 1 + layers * (heads + 1)
    inside = {name for name, own in graph["edges"].items() if own["in_graph"]}
    assert inside == {edge_name(edge) for edge in case.truth.circuit}
    assert all(own["score"] == float(own["in_graph"]) for own in graph["edges"].values())
    assert {name for name, own in graph["nodes"].items() if own["in_graph"]} >= {"input", "logits", "a3.h0"}
    scores = {edge: -1.0 if str(edge) == "positions->m1" else 0.5 for edge in case.edges}
    scored = json.loads(eap_ig_graph(case, scores))["edges"]
    assert scored["input->m1"]["score"] == -1.0 and scored["a0.h0->m1"]["score"] == 0.5


def test_edges_are_known_by_hook_points_that_there_are() -> None:
    case = small_case("reverse")
    points, n_layers = case.module.hook_points(), case.module.config.n_layers
    for edge in case.edges:
        for reader, _, writer, _ in acdc_edges(edge, n_layers):
            assert reader in points and writer in points


@pytest.mark.parametrize(
    ("edge", "acdc", "auto"),
    [
        ("tokens->a3.h0<v>", ("blocks.3.hook_v_input", "[:, :, 0]", "hook_embed", "[:]"), "Resid Start->A3.0.V"),
        ("a0.h1->m2", ("blocks.2.hook_mlp_in", "[:]", "blocks.0.attn.hook_result", "[:, :, 1]"), "A0.1->MLP 2"),
        ("m2->logits", ("blocks.3.hook_resid_post", "[:]", "blocks.2.hook_mlp_out", "[:]"), "MLP 2->Resid End"),
    ],
)
def test_names_of_edges(edge: str, acdc: tuple[str, ...], auto: str) -> None:
    assert acdc_edges(lab.Edge.parse(edge), 4) == (acdc,)
    assert autocircuit_name(lab.Edge.parse(edge)) == auto
