"""The flow of a computation: what it contains, in which layer, and the depths of known programs."""

from __future__ import annotations

import pytest

from benchmarks.depths import example_programs, library_program
from tracrlab.rasp import Comparison, Selector, SOp, aggregate, indices, length, select, selector_width, tokens
from tracrlab.rasp.expressions import Aggregate, Expression, Length, SelectorWidth
from tracrlab.rasp.flow import Flow, flow_of
from tracrlab.rasp.functions import elementwise_map
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.traversal import children_first

# attention layers, as the analyser of the original language gives them (Weiss et al. 2021, table 1)
PAPER = {
    "hist_bos": 1,
    "hist_nobos": 1,
    "reverse": 2,
    "sort_bos": 2,
    "hist2_bos": 2,
    "sort_by_most_freq": 3,
    "dyck1_ptf": 2,
}
EXAMPLES = example_programs()


def longest_path(program: Expression) -> int:
    """The number of attention steps on the longest path, found by hand."""
    depths: dict[int, int] = {}
    for node in children_first(program):
        attends = isinstance(node, Aggregate | SelectorWidth | Length)
        depths[id(node)] = max((depths[id(child)] for child in node.children), default=0) + attends
    return depths[id(program)] + isinstance(program, Selector)


def members(flow: Flow) -> list[SOp]:
    """Every s-op of a flow, layer by layer."""
    sops = [*flow.sources, *flow.constants]
    for layer in flow.layers:
        sops += [each for head in layer.heads for each in head.aggregates]
        sops += layer.steps
    return sops


@pytest.mark.parametrize("block", [range(start, start + 100) for start in range(0, 300, 100)])
def test_random_programs_flow_through_the_layers_they_need(block: range) -> None:
    for seed in block:
        program = random_program(seed).program
        flow = flow_of(program)
        assert flow.depth == longest_path(program), seed
        inside = members(flow)
        assert len({id(each) for each in inside}) == len(inside), seed
        reachable = {id(flow.merged[id(node)]) for node in children_first(program) if isinstance(node, SOp)}
        assert reachable <= {id(each) for each in inside}, seed


@pytest.mark.parametrize("seed", range(60))
def test_everything_comes_after_what_it_reads(seed: int) -> None:
    flow = flow_of(random_program(seed).program)
    place = {id(sop): number for number, sop in enumerate(members(flow))}
    for sop in members(flow):
        for part in children_first(*flow.inputs(sop), known=place):
            if isinstance(part, SOp):
                assert place[id(flow.merged.get(id(part), part))] < place[id(sop)]


@pytest.mark.parametrize("name", PAPER)
def test_examples_are_as_deep_as_in_the_paper(name: str) -> None:
    assert flow_of(EXAMPLES[name]).depth == PAPER[name]


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("length", 1),
        ('count(tokens, "a")', 1),
        ("load_from_location(tokens, 2)", 1),
        ('shift(tokens, 1, "-")', 1),
        ('aggregate(select_from_last(tokens, "a"), indices)', 2),
        ("sort(tokens, tokens)", 2),
        ("aggregate(select_next_identical(tokens), indices, -1)", 2),
        ("max(indices, 2)", 0),
    ],
)
def test_library_functions_have_the_depth_of_the_original(text: str, depth: int) -> None:
    assert flow_of(library_program(text)).depth == depth


def test_aggregates_over_one_selector_share_a_head() -> None:
    same = select(tokens, tokens, Comparison.EQ)
    flow = flow_of(selector_width(same) + aggregate(same, indices))
    assert [len(layer.heads) for layer in flow.layers] == [0, 1]
    assert len(flow.layers[1].heads[0].aggregates) == 2


def test_equal_expressions_are_one() -> None:
    double = [selector_width(select(tokens, tokens, Comparison.EQ)) for _ in range(2)]
    assert flow_of(double[0] + double[1]).max_heads == 1


def test_a_selector_is_a_head_of_its_own() -> None:
    flow = flow_of(select(indices, length - 1 - indices, Comparison.EQ))
    assert flow.depth == 2
    assert flow.layers[2].heads[0].aggregates == ()


def test_programs_of_thousands_of_sops_are_no_deeper_for_python() -> None:
    chain: SOp = tokens
    for _ in range(5000):
        chain = elementwise_map(str, chain)
    for _ in range(40):
        chain = aggregate(select(indices, indices - 1, Comparison.EQ), chain)
    flow = flow_of(chain)
    assert flow.depth == 40
    assert len(flow.layers[0].steps) == 5001
