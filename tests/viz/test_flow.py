"""Drawings of the flow of a computation: what they say, that nothing overlaps or is cut off, and files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.depths import example_programs, library_program
from tracrlab.errors import DrawingError, EvaluationError, InputError
from tracrlab.rasp import Comparison, SOp, aggregate, constant, indices, select, selector_width, tokens
from tracrlab.rasp.expressions import Expression
from tracrlab.rasp.flow import flow_of
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.library import reverse
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import Value
from tracrlab.viz import draw_flow, flow_figure
from tracrlab.viz.blocks import Block, Box, Label, Role
from tracrlab.viz.canvas import drawable
from tracrlab.viz.flow_layout import flow_page
from tracrlab.viz.flow_names import flow_names
from tracrlab.viz.flow_view import flow_view

EXAMPLES = example_programs()
DRAWN = [
    ("sort_by_most_freq", "§abbccddd"),
    ("reverse", "hello"),
    ("dyck2_ptf", "({)}"),
    ("hist_bos", "§hello"),
    ("long_addition", "999+1"),
]


def page_of(program: Expression, sequence: Sequence[Value]) -> Block:
    return flow_page(flow_view(flow_of(program), sequence, drawable))


def extent(label: Label) -> tuple[float, float]:
    left = {"left": 0.0, "center": label.width / 2, "right": label.width}[label.align]
    return label.x - left, label.x - left + label.width


def texts(program: SOp, sequence: Sequence[Value], path: Path) -> list[str]:
    draw_flow(program, sequence, path)
    return texts_of(path)


def texts_of(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


# Layout --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sequence"), DRAWN)
def test_no_texts_overlap_and_none_is_cut_off(name: str, sequence: str) -> None:
    page = page_of(EXAMPLES[name], sequence)
    lines: dict[float, list[tuple[float, float]]] = {}
    for label in page.labels:
        left, right = extent(label)
        assert left >= 0 and right <= page.width, label
        assert 0 <= label.y <= page.height, label
        lines.setdefault(round(label.y, 1), []).append((left, right))
    for spans in lines.values():
        ordered = sorted(spans)
        assert all(right <= left + 0.5 for (_, right), (left, _) in pairwise(ordered))


@pytest.mark.parametrize(("name", "sequence"), [*DRAWN, ("hist_nobos", "a"), ("reverse", "abcdefghijklmnopqrst")])
def test_no_texts_overlap_as_matplotlib_sets_them(name: str, sequence: str) -> None:
    figure = flow_figure(EXAMPLES[name], sequence)
    renderer = FigureCanvasAgg(figure).get_renderer()
    measured = [text.get_window_extent(renderer).extents for text in figure.texts]
    left, bottom, right, top = np.array(measured).T
    assert len(measured) > 10
    assert min(left) >= 0 and max(right) <= figure.bbox.width
    assert min(bottom) >= 0 and max(top) <= figure.bbox.height
    width = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    height = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom)
    overlapping = (width > 1) & (height > 1)  # letters are placed by whole pixels
    assert np.array_equal(overlapping, np.eye(len(measured), dtype=bool))


@pytest.mark.parametrize(("name", "sequence"), DRAWN)
def test_frames_hold_cells_or_leave_them_out_whole(name: str, sequence: str) -> None:
    boxes = page_of(EXAMPLES[name], sequence).boxes
    for one, other in combinations(boxes, 2):
        width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
        height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
        if width > 0.01 and height > 0.01:  # they overlap, so the smaller one lies inside the other
            assert Role.FRAME in (one.role, other.role)
            assert width * height == pytest.approx(min(box.width * box.height for box in (one, other)))


@pytest.mark.parametrize("seed", range(40))
def test_boxes_of_random_programs_are_on_the_page(seed: int) -> None:
    case = random_program(seed)
    try:
        page = page_of(case.program, case.vocabulary)
    except EvaluationError:
        return
    for box in page.boxes:
        assert box.x >= 0 and box.y >= 0
        assert box.x + box.width <= page.width + 1e-6
        assert box.y + box.height <= page.height + 1e-6


def test_keys_stand_above_and_queries_beside_what_is_selected() -> None:
    """The picture of a selector read as a person does: the key of a cell's column, the query of its row."""
    page = page_of(select(tokens, tokens, Comparison.EQ), "abcab")
    legend_end = page.boxes[0].y + page.boxes[0].height
    cells = [box for box in page.boxes if box.y > legend_end]

    def text(box: Box) -> str:
        middle = pytest.approx((box.x + box.width / 2, box.y + box.height / 2))
        (label,) = [label.text for label in page.labels if label.align == "center" and (label.x, label.y) == middle]
        return label

    keys = {round(box.x, 3): text(box) for box in cells if box.role is Role.KEY}
    queries = {round(box.y, 3): text(box) for box in cells if box.role is Role.QUERY}
    pairs = [box for box in cells if box.role in (Role.SELECTED, Role.UNSELECTED)]
    grid = {(queries[round(box.y, 3)], keys[round(box.x, 3)], box.role) for box in pairs}
    assert "".join(keys.values()) == "".join(queries.values()) == "abcab"
    assert grid == {(q, k, Role.SELECTED if q == k else Role.UNSELECTED) for q in "abc" for k in "abc"}
    assert len(pairs) == 25


# What is said --------------------------------------------------------------------------------------------------------


def test_layers_names_and_values_are_in_the_file(tmp_path: Path) -> None:
    said = texts(EXAMPLES["reverse"], "hello", tmp_path / "reverse.svg")
    for text in ('reverse("hello")', "input", "layer 0", "layer 1", "length (width)", "opposite", "indices"):
        assert text in said
    assert "".join(said[-5:]) == "olleh"


def test_the_picture_in_the_documentation_is_that_of_the_program(tmp_path: Path) -> None:
    picture = Path(__file__).parents[2] / "docs" / "images" / "reverse.svg"
    assert texts_of(picture) == texts(reverse(), "hello", tmp_path / "reverse.svg")


def test_values_are_shown_as_the_language_shows_them(tmp_path: Path) -> None:
    before = select(indices, indices, Comparison.LT)
    mean = aggregate(before, indices / 3, None).named("mean")
    said = texts(mean, "abcd", tmp_path / "mean.svg")
    assert said[-4:] == ["mean", "0.0", "0.167", "0.333"]  # nothing where nothing is selected
    assert texts((indices > 0).named("later"), "ab", tmp_path / "later.svg")[-3:] == ["later", "F", "T"]


def test_long_names_are_cut_but_not_what_is_said_of_them(tmp_path: Path) -> None:
    width = selector_width(select(tokens, tokens, Comparison.EQ)).named("w" * 60)
    said = texts(width, "ab", tmp_path / "width.svg")
    assert "w" * 25 + "… (width)" in said


def test_a_default_stands_beside_the_values(tmp_path: Path) -> None:
    previous = aggregate(select(indices, indices - 1, Comparison.EQ), tokens, "-").named("previous")
    assert "tokens, else -" in texts(previous, "abc", tmp_path / "previous.svg")


def test_a_selector_is_drawn_as_its_head(tmp_path: Path) -> None:
    same = select(tokens, tokens, Comparison.EQ).named("same")
    draw_flow(same, "aba", tmp_path / "same.svg")
    assert "same = select(tokens, tokens, ==)" in (tmp_path / "same.svg").read_text(encoding="utf-8")


def test_signs_that_cannot_be_drawn_are_escaped(tmp_path: Path) -> None:
    program = selector_width(select(tokens, tokens, Comparison.EQ))
    said = texts(program, ["a\nb", "$x$", "\U0001f600"], tmp_path / "a.svg")
    assert {"a\\nb", "$x$", "\\U0001f600"} <= set(said)


def test_a_program_without_attention_has_one_layer(tmp_path: Path) -> None:
    said = texts((indices + 1).named("next"), "ab", tmp_path / "next.svg")
    assert "layer 0" not in said and "next" in said


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "magic"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_each_format_is_written_and_repeats(tmp_path: Path, suffix: str, magic: bytes) -> None:
    program = library_program("sort(tokens, tokens)")
    for name in ("first", "second"):
        draw_flow(program, "cab", tmp_path / f"{name}{suffix}")
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("first", "second"))
    assert first.startswith(magic)
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"first{suffix}", f"second{suffix}"]


def test_a_notebook_gets_a_figure() -> None:
    assert isinstance(flow_figure(tokens, "abc"), Figure)


@pytest.mark.parametrize("name", ["drawing.jpg", "drawing", "nowhere/drawing.svg"])
def test_paths_that_cannot_be_drawn_to_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DrawingError):
        draw_flow(tokens, "abc", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_drawing(tmp_path: Path) -> None:
    path = tmp_path / "old.svg"
    path.write_text("old")
    with pytest.raises(EvaluationError):
        draw_flow((tokens + 1).named("wrong"), "abc", path)
    assert path.read_text() == "old"


def test_nothing_is_drawn_of_no_input() -> None:
    with pytest.raises(InputError):
        flow_figure(tokens, [])


def test_drawings_that_would_be_too_large_are_refused() -> None:
    with pytest.raises(DrawingError, match="shorter input"):
        flow_figure(selector_width(select(tokens, constant("a"), Comparison.EQ)), "ab" * 200)


def test_no_two_expressions_of_a_drawing_have_one_name() -> None:
    same, other = select(tokens, tokens, Comparison.EQ), select(indices, tokens, Comparison.EQ)
    counts = [selector_width(each.named("s")).named("a") for each in (same, other)]
    total = (counts[0] + counts[1]).named("a·2")
    flow = flow_of(aggregate(select(total, counts[1], Comparison.LT).named("s"), (total + 1).named("a")).named("a"))
    names = flow_names(flow, Evaluation("abc")).naming.names
    meanings: dict[str, set[int]] = {}
    for identity, name in names.items():
        meanings.setdefault(name, set()).add(id(flow.merged[identity]))
    assert all(len(expressions) == 1 for expressions in meanings.values())
    assert {"s", "s·2", "s·3", "a", "a·2", "a·3"} <= set(meanings)
