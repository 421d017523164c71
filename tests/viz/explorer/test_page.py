"""The explorer's page as a text: what it holds, what it forbids, and what is refused. No browser is needed."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tracrlab
from tests.library_models import library_model
from tests.oracles import SMALL_VOCABS
from tracrlab import rasp
from tracrlab.errors import DrawingError, InputError, MissingDependencyError
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.textual.session import Session
from tracrlab.viz.explorer import SourceFile, explorer_page, payload, write_page
from tracrlab.viz.explorer.bundle import script
from tracrlab.viz.explorer.graph import NODE_HEIGHT, ROW
from tracrlab.viz.explorer.packing import packed_matrices
from tracrlab.viz.explorer.payload import explorer_payload

ENTRIES = ["page.js", "widget.js"]


def data_of(name: str, mode: Any = "faithful", **options: Any) -> dict[str, Any]:
    model = library_model(name, mode, False)
    data: dict[str, Any] = json.loads(explorer_payload(model, SMALL_VOCABS[name][:2], **options))
    return data


def unpacked(packed: Any, dtype: str) -> dict[str, np.ndarray]:
    """The matrices, one entry after the other."""
    raw = zlib.decompress(base64.b64decode(packed.data))
    total, size = sum(count for *_, count in packed.matrices), np.dtype(dtype).itemsize
    entries = iter(np.frombuffer(raw[: total * size], "<" + np.dtype(dtype).str[1:]).tolist())
    steps = iter(np.frombuffer(raw[total * size :], "<u4").tolist())
    found = {}
    for name, rows, columns, count in packed.matrices:
        found[name], place = np.zeros((rows, columns), dtype), 0
        for _ in range(count):
            place += next(steps)
            found[name][divmod(place, columns)] = next(entries)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
def test_matrices_come_back_from_their_text(dtype: str, data: st.DataObject) -> None:
    matrix = arrays(dtype, array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0.0, 0.0, 1.0, -2.5, 0.1]))
    matrices = data.draw(st.dictionaries(st.text(max_size=3), matrix, max_size=4))
    found = unpacked(packed_matrices(matrices, dtype), dtype)
    assert found.keys() == {name for name, each in matrices.items() if each.any()}
    assert all(np.array_equal(found[name], matrices[name]) for name in found)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_script_imports_nothing(entry: str) -> None:
    text = script(entry)
    assert not re.search(
        r"^import|\bimport\(|\bfetch\(|XMLHttpRequest|WebSocket|innerHTML|\beval\(", text, re.MULTILINE
    )
    assert "</script" not in text


def test_the_page_allows_its_own_script_and_style_and_no_requests() -> None:
    page = explorer_page(library_model("reverse", "faithful", False), "ab")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    parts = [
        re.search(rf"{tag}(.*?){end}", page, re.DOTALL)
        for tag, end in (('<script type="module">', "</script>"), ("<style>", "</style>"))
    ]
    digests = [base64.b64encode(hashlib.sha256(part[1].encode()).digest()).decode() for part in parts if part]
    script_digest, style_digest = digests
    assert policy[1].split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{script_digest}'",
        f"style-src 'sha256-{style_digest}'",
        "base-uri 'none'",
    ]
    assert set(re.findall(r"https?://[\w./]*", page)) == {"http://www.w3.org/2000/svg"}


def test_names_of_a_program_cannot_end_the_data() -> None:
    evil = (rasp.tokens == "a").named("</script><script>alert(1)</script><!--")
    page = explorer_page(tracrlab.compile(evil, ["a", "</script>"], 2), ["</script>"])
    assert page.count("</script>") == 2
    data = re.search(r'id="payload">(.*?)</script>', page)
    assert data is not None
    assert json.loads(data[1])["name"] == evil.name


def test_the_page_is_the_same_each_time() -> None:
    model = library_model("dyck", "compact", False)
    assert explorer_page(model, "()") == explorer_page(model, "()")


@pytest.mark.parametrize("with_program", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_graph_leads_downwards_to_the_program_and_no_boxes_overlap(name: str, with_program: bool) -> None:
    data = data_of(name, program=PROGRAMS[name].build() if with_program else None)
    graph = data["graph"]
    place = {node["expression"]: node for node in graph["nodes"]}
    assert len(place) == len(graph["nodes"])
    assert all(place[source]["y"] < place[target]["y"] for source, target in graph["edges"])
    assert {source for source, _ in graph["edges"]} == place.keys() - {len(data["expressions"]) - 1}
    rows: dict[float, list[Any]] = {}
    for node in sorted(graph["nodes"], key=lambda node: float(node["x"])):
        rows.setdefault(node["y"], []).append(node)
    assert ROW > NODE_HEIGHT
    for row in rows.values():
        assert row[0]["x"] >= 0
        assert row[-1]["x"] + row[-1]["width"] <= graph["width"] + 1e-6
        assert all(left["x"] + left["width"] < right["x"] for left, right in itertools.pairwise(row))


def test_with_the_program_the_graph_has_its_selectors() -> None:
    data = data_of("frac_prevs", program=PROGRAMS["frac_prevs"].build())
    names = [expression["name"] for expression in data["expressions"]]
    assert [names[node["expression"]] for node in data["graph"]["nodes"] if node["is_selector"]] == ["prevs"]
    assert [names[node["expression"]] for node in data_of("frac_prevs")["graph"]["nodes"]] == [
        *("tokens", "indices", "is_x", "frac_prevs")
    ]


def test_lines_of_a_textual_program_know_their_expressions() -> None:
    text = "# counts\nsame = select(tokens, tokens, ==);\n\nhist = selector_width(same);\n"
    session = Session(example="abc")
    session.run_text(text, "my.rasp")
    model = tracrlab.compile(session.value("hist"), "abc", 3)
    data = json.loads(explorer_payload(model, "abc", source=SourceFile("my.rasp", text)))
    names = [expression["name"] for expression in data["expressions"]]
    lines = {line["text"]: [names[place] for place in line["expressions"]] for line in data["source"]}
    assert list(lines) == text.splitlines()
    assert (lines["# counts"], lines["hist = selector_width(same);"]) == ([], ["hist"])
    assert "same" in lines["same = select(tokens, tokens, ==);"]


def test_a_model_too_large_is_refused_and_the_reduced_view_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = library_model("sort", "faithful", False)
    reduced = len(explorer_payload(model, "12", reduced=True))
    assert reduced < len(explorer_payload(model, "12"))
    monkeypatch.setattr(payload, "LARGEST_PAYLOAD", reduced)
    with pytest.raises(DrawingError, match="Ask for the reduced view"):
        write_page(model, "12", tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
    write_page(model, "12", tmp_path / "page.html", reduced=True)
    monkeypatch.setattr(payload, "LARGEST_PAYLOAD", reduced - 1)
    with pytest.raises(DrawingError, match="Explore a smaller model"):
        explorer_payload(model, "12", reduced=True)


def test_bad_input_is_refused(tmp_path: Path) -> None:
    model = library_model("hist", "faithful", False)
    with pytest.raises(InputError, match="not in the vocabulary"):
        explorer_page(model, "az")
    with pytest.raises(InputError, match="was not compiled from the program"):
        explorer_page(model, "a", program=PROGRAMS["sort"].build())
    with pytest.raises(DrawingError, match="cannot write"):
        write_page(model, "a", tmp_path / "no" / "page.html")
    with pytest.raises(DrawingError, match="cannot write"):
        write_page(model, "a", tmp_path)


def test_the_widget_holds_the_page_data() -> None:
    pytest.importorskip("anywidget")
    model = library_model("hist", "faithful", False)
    widget = model.explore("aba")
    assert json.loads(widget.payload) == json.loads(explorer_payload(model, "aba"))
    assert widget.tokens == model.encode(["aba"])[0, 1:].tolist()


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from tracrlab.viz.explorer.widget import _widget_class

    _widget_class.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "anywidget", None)
    with pytest.raises(MissingDependencyError, match=r"explore needs anywidget .*tracrlab\[explore\]"):
        library_model("hist", "faithful", False).explore("a")
