"""Figures of models: what they say, that no texts overlap or are cut off, that they are as wide as asked, and files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import tracrlab
from examples.gallery import ENTRIES, draw_gallery, gallery_page
from tracrlab import CompiledModel
from tracrlab.cli.main import main
from tracrlab.errors import DrawingError, InputError
from tracrlab.rasp.library import PROGRAMS, frac_prevs, hist, reverse, sort
from tracrlab.viz.canvas import write_figure
from tracrlab.viz.figures import matrices
from tracrlab.viz.figures.plot import KINDS
from tracrlab.viz.figures.residual import changes

DOCS = Path(__file__).parents[2] / "docs"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def texts_of(figure: Figure) -> list[Text]:
    return [text for text in figure.axes[0].texts if text.get_text()]


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts_of(figure)]


def assert_legible(figure: Figure) -> None:
    """Every text lies on the page and over no other, in a size that can be read in print."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = texts_of(figure)
    assert all(text.get_fontsize() >= 6 for text in texts)
    left, bottom, right, top = np.array([text.get_window_extent(renderer).extents for text in texts]).T
    outside = (left < -1) | (bottom < -1) | (right > figure.bbox.width + 1) | (top > figure.bbox.height + 1)
    assert not outside.any(), [texts[place].get_text() for place in np.flatnonzero(outside)]
    slack = 0.035 * figure.dpi  # letters are placed by whole pixels, and lines are set tight
    wide = np.minimum.outer(right, right) - np.maximum.outer(left, left) > slack
    high = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom) > slack
    overlapping = np.argwhere(np.triu(wide & high, 1))
    assert not len(overlapping), [(texts[one].get_text(), texts[two].get_text()) for one, two in overlapping[:5]]


@pytest.fixture(scope="module")
def models() -> dict[str, CompiledModel]:
    return {
        "small": tracrlab.compile(frac_prevs(), "xac", 4),
        "compact": tracrlab.compile(sort(), "abc", 5, mode="compact"),
        "wide": tracrlab.compile(sort(), LETTERS[:12], 8),
        "long": tracrlab.compile(reverse(), LETTERS, 20),
        "many layers": tracrlab.compile(PROGRAMS["shuffle_dyck"].build(), "(){}", 5),
    }


INPUTS = {"small": "xacx", "compact": "cabac", "wide": "labcabel", "long": LETTERS[6:], "many layers": "({)}("}


@pytest.mark.parametrize(
    ("name", "kind", "columns"),
    [
        *(("small", kind, columns) for kind in KINDS for columns in (1, 2)),
        *(("wide", kind, 1) for kind in ("patterns", "weights", "stages")),
        *(("compact", kind, 2) for kind in ("residual", "weights", "stages")),
        *(("many layers", kind, 1) for kind in ("stages", "cost")),
        ("many layers", "residual", 2),
        ("long", "residual", 2),
        ("long", "patterns", 1),
    ],
)
def test_figures_are_legible_and_no_wider_than_asked(
    models: dict[str, CompiledModel], name: str, kind: Any, columns: int
) -> None:
    try:
        figure = models[name].plot(INPUTS[name], kind=kind, columns=columns)
    except DrawingError as error:
        assert (columns, "columns=2" in str(error)) == (1, True)  # a long input in a narrow column is refused
        return
    assert figure.get_size_inches()[0] <= {1: 3.3, 2: 6.9}[columns] + 1e-6
    assert_legible(figure)


def test_weights_of_a_large_model_are_cut_to_a_page_that_says_what_is_left_out(
    models: dict[str, CompiledModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def titles(figure: Figure) -> list[str]:
        return [word for word in words_of(figure) if re.search(r"\bW_(E|pos|Q|V|in|out|U)\b", word)]

    model = models["many layers"]
    whole = model.plot(kind="weights")
    assert not any("left out" in word for word in words_of(whole))
    monkeypatch.setattr(matrices, "_LONGEST", 10 * 72.0)
    cut = model.plot(kind="weights")
    assert_legible(cut)
    assert cut.get_size_inches()[1] <= 10.5 < whole.get_size_inches()[1]
    (note,) = [word for word in words_of(cut) if "left out" in word]
    number, first, last = re.findall(r"^(\d+) more, of (.*) to (.*), are left out; sublayer='\2'", note)[0]
    assert titles(cut) == titles(whole)[: len(titles(cut))]
    assert len(titles(whole)) - len(titles(cut)) == int(number)
    assert last == "unembed"
    assert "left out" not in "".join(words_of(model.plot(kind="weights", sublayer=first)))


def test_what_a_sublayer_changes_is_marked(models: dict[str, CompiledModel]) -> None:
    trace = models["small"].trace("xacx")
    changed = {step.name: each.sum() for step, each in zip(trace.steps, changes(trace), strict=True)}
    assert changed == {"embed": 5 + 4 + 5, "a0": 0, "m0": 2, "a1": 4, "m1": 0}


def test_sublayers_that_change_nothing_are_collapsed(models: dict[str, CompiledModel]) -> None:
    words = words_of(models["small"].plot("xacx"))
    assert words.count("no") == words.count("change") == 2
    assert words.count("frac_prevs") == 1  # labels stand at the left only


def test_a_folded_figure_says_the_values(models: dict[str, CompiledModel]) -> None:
    model = models["many layers"]
    words = words_of(model.plot("({)}(", sublayer="m2"))
    assert words.count("m2") == 1 and "m3" not in words
    assert "balance_()" in words and words.count("5") == 5  # the length, at every token
    assert not any(word.startswith("length:") for word in words)
    unfolded = words_of(model.plot("({)}(", sublayer="m2", fold=False))
    assert any(word.startswith("length:") for word in unfolded)


def test_a_reused_dimension_is_shown_with_what_it_holds(models: dict[str, CompiledModel]) -> None:
    model = models["compact"]
    assert any(variable.cleared is not None for variable in model.labels.variables)
    for fold in (False, True):
        assert_legible(model.plot("cabac", fold=fold))


def test_patterns_have_a_map_for_each_head(models: dict[str, CompiledModel]) -> None:
    words = words_of(models["wide"].plot("abab", kind="patterns"))
    assert [word for word in words if ".h" in word] == ["a0.h0", "a0.h1", "a2.h0"]


def test_stages_name_expressions_and_components(models: dict[str, CompiledModel]) -> None:
    model = models["small"]
    words = words_of(model.plot(kind="stages", program=frac_prevs()))
    assert {"is_x", "frac_prevs", "1 neuron", "1 head", "{a, c, x}", "embed", "m1"} <= set(words)
    with pytest.raises(InputError, match="was not compiled from"):
        model.plot(kind="stages", program=hist())


def test_cost_has_the_numbers_of_the_report(models: dict[str, CompiledModel]) -> None:
    model = models["wide"]
    words = words_of(model.plot(kind="cost"))
    for cost in model.report().costs:
        assert f"{cost.n_weights:,}" in words and f"{cost.n_neurons:,}" in words


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_the_same_figure_is_the_same_file(models: dict[str, CompiledModel], suffix: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.{suffix}" for number in range(2)]
    for file in files:
        write_figure(models["small"].plot("xacx"), file)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pie"}, "no figure 'pie'; there are residual, "),
        ({"columns": 3}, "columns=1 or columns=2"),
        ({"sublayer": "m8"}, "no sublayer 'm8'; there are embed, "),
        ({"kind": "weights", "sublayer": "m8"}, "no sublayer 'm8'; there are embed, "),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    models: dict[str, CompiledModel], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DrawingError, match=message):
        models["small"].plot("xacx", **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frac_prevs xyx -o a.gif", "a.gif: a drawing is written as"),
        ("frac_prevs xyx -o nowhere/a.svg", "there is no folder nowhere"),
        ("frac_prevs abc -o a.svg", "the token 'a' of the input is not in the vocabulary"),
        ("frac_prevs xyx --kind pie -o a.svg", "'pie' is not one of"),
        ("frac_prevs xyx --sublayer x -o a.svg", "there is no sublayer 'x'"),
    ],
)
def test_bad_input_on_the_command_line_is_one_line(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["plot", *arguments.split()])
    assert (result.exit_code, result.stderr.count("\n"), list(tmp_path.iterdir())) == (2, 1, [])
    assert message in result.stderr


# The gallery ---------------------------------------------------------------------------------------------------------


def test_the_gallery_page_is_what_the_command_writes() -> None:
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery_page()
    files = {entry.file for entry in ENTRIES}
    assert {path.name for path in (DOCS / "gallery").iterdir()} == files
    assert len(files) == len(ENTRIES)


def test_the_gallery_command_draws_the_files_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = [entry for entry in ENTRIES if entry.arguments.startswith("frac_prevs")]
    monkeypatch.setattr("examples.gallery.ENTRIES", small)
    draw_gallery(tmp_path / "gallery")
    drawn = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert drawn == {entry.file for entry in small} and len(small) > 1
