"""The explorer in a real browser: its forward pass is the model's, and what is done on the page shows everywhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tracrlab
from tests.compress.compressions import random_compression
from tests.library_models import library_model
from tests.model.cases import model_of
from tests.oracles import SMALL_VOCABS
from tests.viz.explorer.browser import browsing
from tracrlab import CompiledModel
from tracrlab.compress.sharing import Sharing
from tracrlab.craft.spaces import Variable
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.readout import decode_output
from tracrlab.model.weights import Weights
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.values import Value, value_key
from tracrlab.viz.explorer import write_page
from tracrlab.viz.explorer.bundle import script, style
from tracrlab.viz.explorer.payload import explorer_payload

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

LIBRARY = [("sort", "faithful"), ("dyck", "compact"), ("most_freq", "faithful")]
MODELS = {
    **{f"{name}, {mode}": lambda name=name, mode=mode: library_model(name, mode, False) for name, mode in LIBRARY},
    **{name: lambda name=name: model_of(name) for name in ("causal fractions", "causal induction", "double")},
}
Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a model's page; at the end nothing may have gone wrong there, and nothing been requested."""
    troubles: list[str] = []
    contexts = []

    def opened(model: CompiledModel, tokens: Any, *, size: tuple[int, int] = (1280, 720), **options: Any) -> Page:
        write_page(model, tokens, tmp_path / "page.html", **options)
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme="dark")
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto((tmp_path / "page.html").as_uri())
        page.on("request", lambda request: troubles.append(f"asked for {request.url}"))
        page.wait_for_selector(".tl-app")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not troubles


def run_in(page: Page, ids: list[int], heads: Any = (), neurons: Any = (), patches: Any = ()) -> dict[str, Any]:
    """A forward pass of the page."""
    found: dict[str, Any] = page.evaluate(
        """([ids, heads, neurons, patches]) => {
            const given = { heads: new Set(heads), neurons: new Set(neurons), patches: new Map(patches.entries()) };
            const { residuals, patterns, logits, answers } = tracrlab.run(ids, given);
            const [states, weights] = [residuals, patterns.flat()].map((arrays) => arrays.map((each) => [...each]));
            return { residuals: states, patterns: weights, logits: [...logits], answers };
        }""",
        [ids, list(heads), list(neurons), list(patches)],
    )
    return found


def value_at(variable: Variable, place: int) -> Value:
    return None if place < 0 else variable.values[place]


def same(values: list[Value], others: list[Value]) -> bool:
    return list(map(value_key, values)) == list(map(value_key, others))


def assert_close(found: list[list[float]], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        assert np.allclose(np.array(own), other.reshape(-1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_page_computes_what_the_model_computes(name: str, open_page: Open) -> None:
    model = MODELS[name]()
    exact = Weights(**{key: array.astype(float) for key, array in model.weights.as_dict().items()})
    rng = random.Random(name)
    inputs = [rng.choices(model.config.vocab, k=length) for length in range(model.config.max_seq_len + 1)]
    page = open_page(model, inputs[1])
    for tokens in inputs:
        ids = model.encode([tokens])
        found, expected = run_in(page, ids[0, 1:].tolist()), forward_with_activations(model.config, exact, ids)
        assert_close(found["residuals"], [each[0] for each in expected.residuals])
        assert_close(found["patterns"], [head for each in expected.patterns for head in each[0]])
        assert_close([found["logits"]], [expected.logits[0]])
        assert same([value_at(model.output, place) for place in found["answers"]], model(tokens))


@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_the_page_shows_the_value_of_every_variable(mode: Any, open_page: Open) -> None:
    model = library_model("dyck", mode, False)
    page = open_page(model, "(())")
    page.fill(".tl-input", "())")
    places = page.evaluate(
        "tracrlab.model.variables.map((_, v) => tracrlab.state.ids.map((_, p) => tracrlab.state.place(v, p)))"
    )
    trace = model.trace("())")
    for variable, own in zip(model.labels.variables, places, strict=True):
        assert same([value_at(variable.variable, place) for place in own], trace.values[variable.name])


@pytest.mark.parametrize("reduced", [False, True])
def test_variables_of_a_compressed_model_are_read_through_its_matrix(reduced: bool, open_page: Open) -> None:
    model = random_compression(library_model("frac_prevs", "faithful", False), 9, seed=3, sharing=Sharing.NOTHING)
    tokens = ["x", "w", "x"]
    page = open_page(model, tokens if reduced else ["w"], reduced=reduced)
    if not reduced:
        page.fill(".tl-input", "x w x")
    places = page.evaluate(
        "tracrlab.model.variables.map((_, v) => tracrlab.state.ids.map((_, p) => tracrlab.state.place(v, p)))"
    )
    trace = model.trace(tokens)
    for variable, own in zip(model.labels.variables, places, strict=True):
        assert same([value_at(variable.variable, place) for place in own], trace.values[variable.name])


def intervened(
    model: CompiledModel, tokens: Any, *, head: tuple[int, int], neuron: tuple[int, int], patch: tuple[int, int, int]
) -> tuple[np.ndarray, list[Value]]:
    """The final residual stream and answers with a head and a neuron ablated and a value patched."""
    c, w, ids = model.config, model.weights, model.encode([tokens])[0]
    variable = model.labels.variables[patch[0]]
    vector = variable.variable.vector(variable.variable.values[patch[2]])

    def patched(residual: np.ndarray, sublayer: int) -> np.ndarray:
        if variable.sublayer == sublayer:
            residual[patch[1] + 1, variable.dimensions] = vector
        return residual

    residual = patched(w.W_E[ids].astype(float) + w.W_pos[: len(ids)], -1)
    for layer in range(c.n_layers):
        written = np.zeros_like(residual)
        for number in range(c.n_heads):
            q, k, v = (residual @ getattr(w, name)[layer, number] for name in ("W_Q", "W_K", "W_V"))
            weights = np.exp((scores := q @ k.T / c.d_head**0.5) - scores.max(axis=1, keepdims=True))
            if (layer, number) != head:
                written += weights / weights.sum(axis=1, keepdims=True) @ v @ w.W_O[layer, number]
        residual = patched(residual + written, 2 * layer)
        hidden = np.maximum(residual @ w.W_in[layer], 0)
        if layer == neuron[0]:
            hidden[:, neuron[1]] = 0
        residual = patched(residual + hidden @ w.W_out[layer], 2 * layer + 1)
    return residual, decode_output(model.output, (residual @ w.W_U)[1:])


def test_interventions_are_those_of_the_model(open_page: Open) -> None:
    model, rng = library_model("sort", "faithful", False), random.Random(0)
    page = open_page(model, "1")
    changed = 0
    for _ in range(20):
        tokens = rng.choices(SMALL_VOCABS["sort"], k=5)
        layer = rng.choice([place for place, heads in enumerate(model.labels.heads) if heads])
        head, neuron = (layer, rng.randrange(len(model.labels.heads[layer]))), (0, rng.randrange(model.config.d_mlp))
        place = rng.randrange(len(model.labels.variables))
        patch = (place, rng.randrange(5), rng.randrange(len(model.labels.variables[place].variable.values)))
        residual, answers = intervened(model, tokens, head=head, neuron=neuron, patch=patch)
        keys = dict(zip(("variable", "position", "place"), patch, strict=True))
        given = {"heads": ["{}.{}".format(*head)], "neurons": ["{}.{}".format(*neuron)], "patches": [keys]}
        found = run_in(page, model.encode([tokens])[0, 1:].tolist(), **given)
        assert_close(found["residuals"][-1:], [residual])
        assert same([value_at(model.output, place) for place in found["answers"]], answers)
        changed += answers != model(tokens)
    assert changed > 5


def shown_answers(page: Page) -> list[str]:
    return page.locator(".tl-answer").all_text_contents()


def test_typing_updates_everything_and_mistakes_say_what_is_wrong(open_page: Open) -> None:
    model = library_model("sort", "faithful", False)
    page = open_page(model, "21")
    assert shown_answers(page) == ["1", "2"]
    page.fill(".tl-input", "3 1 2")
    assert shown_answers(page) == ["1", "2", "3"]
    assert page.locator("tr[data-item=v0] td").all_text_contents() == ["3", "1", "2"]
    page.fill(".tl-input", "3 x")
    assert "“x” is not in the vocabulary" in page.locator(".tl-message").inner_text()
    assert page.get_attribute(".tl-input", "aria-invalid") == "true"
    assert shown_answers(page) == ["1", "2", "3"]
    page.fill(".tl-input", "1" * 6)
    assert "the model takes at most 5" in page.locator(".tl-message").inner_text()
    page.fill(".tl-input", "")
    assert shown_answers(page) == []
    assert page.get_attribute(".tl-input", "aria-invalid") == "false"


def highlighted(page: Page, kind: str) -> set[str]:
    items = page.evaluate("[...document.querySelectorAll('.tl-hovered[data-item]')].map((each) => each.dataset.item)")
    return {item for item in items if item[0] == kind}


def test_pointing_at_one_thing_marks_it_everywhere(open_page: Open) -> None:
    model = library_model("frac_prevs", "faithful", False)
    page = open_page(model, "xyx", program=PROGRAMS["frac_prevs"].build())
    names = [name for name, _, _ in model.program]
    variables = [variable.name for variable in model.labels.variables]
    answer, held = f"e{names.index('frac_prevs')}", f"v{variables.index('frac_prevs')}"
    for target in (
        f".tl-source [data-item={answer}]",
        f".tl-graph [data-item={answer}]",
        f".tl-residual button[data-item={held}]",
        f"td[data-item={held}][data-position='1']",
        ".tl-residual .tl-part[data-item=h0]",
        ".tl-thumbnail[data-item=h0]",
    ):
        page.hover(".tl-top h1")
        assert not highlighted(page, "e")
        page.hover(target)
        assert answer in highlighted(page, "e"), target
        assert (highlighted(page, "h"), highlighted(page, "v")) == ({"h0"}, {held}), target
    page.hover(f"td[data-item={held}][data-position='1']")
    assert page.locator(".tl-chip.tl-here .tl-index").all_text_contents() == ["1"]
    page.hover(f".tl-source [data-item=e{names.index('prevs')}]")
    assert highlighted(page, "h") == {"h0"}


def test_ablating_and_patching_change_the_answers_and_can_be_undone(open_page: Open) -> None:
    model = library_model("frac_prevs", "faithful", False)
    page = open_page(model, "xyx")
    before = shown_answers(page)
    page.click(".tl-selection button:has-text('ablate')")
    assert set(shown_answers(page)) == {"F"}
    assert page.locator(".tl-before").all_text_contents() == before
    page.click(".tl-undo")
    assert shown_answers(page) == before
    place = [variable.name for variable in model.labels.variables].index("is_x")
    page.click(f"td[data-item=v{place}][data-position='1']")
    page.select_option("select.tl-patch", label="T")
    assert shown_answers(page) == ["T", "T", "T"]
    assert page.locator("td.tl-patched").count() == 1
    page.click("button:has-text('undo all')")
    assert shown_answers(page) == before
    assert page.locator(".tl-undo, td.tl-patched").count() == 0


def test_a_single_neuron_can_be_ablated(open_page: Open) -> None:
    model = library_model("sort", "faithful", False)
    page = open_page(model, "312")
    page.click(".tl-residual .tl-part[data-item=n0]")
    page.fill(".tl-neuron >> nth=0", "2")
    page.click(".tl-pair button >> nth=0")
    assert page.evaluate("[...tracrlab.state.interventions.neurons]") == ["0.2"]
    assert page.locator(".tl-undo").all_text_contents() == ["m0.2 ablated ✕"]
    assert page.input_value(".tl-neuron >> nth=0") == "2"


def test_it_can_be_used_with_the_keyboard_alone(open_page: Open) -> None:
    model = library_model("sort", "faithful", False)
    page = open_page(model, "312")
    page.focus(".tl-chip")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("tracrlab.state.position") == 1
    page.focus("td[data-item=v0][data-position='0']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert page.evaluate("[tracrlab.state.item, tracrlab.state.position]") == ["v1", 1]
    assert page.locator("table [tabindex='0']").count() == 1
    page.focus(".tl-node >> nth=-1")
    page.keyboard.press("Enter")
    assert page.evaluate("tracrlab.state.item")[0] == "e"
    page.focus(".tl-selection button:has-text('ablate')")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('.tl-selection') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate("[tracrlab.state.item, tracrlab.state.position]") == [f"e{len(model.program) - 1}", None]


def test_every_control_has_a_name(open_page: Open) -> None:
    page = open_page(library_model("dyck", "faithful", False), "(())")
    page.click("td[data-item=v0][data-position='1']")
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, input, select, [role=button]")]
        .filter((each) => !(each.textContent.trim() || each.ariaLabel)).map((each) => each.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("size", [(1280, 720), (800, 900), (390, 844)])
def test_nothing_is_empty_or_sticks_out(size: tuple[int, int], open_page: Open) -> None:
    model = tracrlab.compile(PROGRAMS["shuffle_dyck"].build(), "(){}", 20)
    page = open_page(model, "({)}" * 5, size=size, program=PROGRAMS["shuffle_dyck"].build())
    for view in ("values", "dimensions"):
        page.click(f"[data-view={view}]")
        width, panels = page.evaluate(
            """[document.documentElement.scrollWidth, [...document.querySelectorAll(".tl-panel")].map((panel) => {
            const { left, right, height } = panel.getBoundingClientRect();
            return [left, right, height, panel.querySelector(".tl-scroll").childElementCount];
        })]"""
        )
        assert width <= size[0]
        assert len(panels) == 5
        assert all(left >= 0 and right <= size[0] and height > 120 and n for left, right, height, n in panels)
    if size == (1280, 720):  # one screen
        assert page.evaluate("document.documentElement.scrollHeight") <= 720


def test_the_reduced_view_shows_one_input_and_changes_nothing(open_page: Open) -> None:
    model = library_model("sort", "faithful", False)
    page = open_page(model, "312", reduced=True)
    assert shown_answers(page) == ["1", "2", "3"]
    assert page.is_disabled(".tl-input")
    assert "Reduced view" in page.locator(".tl-message").inner_text()
    page.click("td[data-item=v0][data-position='1']")
    assert page.locator("button:has-text('ablate'), select").count() == 0
    assert "tokens at 1 (1) is 1" in page.locator(".tl-selection").inner_text()
    patterns = page.evaluate("tracrlab.state.run.patterns.map((each) => each.map((one) => [...one]))")
    expected = forward_with_activations(model.config, model.weights, model.encode(["312"])).patterns
    assert_close(
        [head for layer, heads in zip(patterns, model.labels.heads, strict=True) for head in layer[: len(heads)]],
        [each[0, head] for each, heads in zip(expected, model.labels.heads, strict=True) for head in range(len(heads))],
    )


def test_the_widget_draws_and_tells_what_is_typed(browser: Browser) -> None:
    model = library_model("sort", "faithful", False)
    page = browser.new_page()
    page.set_content(f"<style>{style()}</style><div id='cell'></div>")
    page.evaluate(
        """async ([code, payload]) => {
            const module = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
            const { default: widget } = await import(module);
            const model = { get: () => payload, set: (name, value) => (globalThis[name] = value), save_changes() {} };
            await widget.render({ model, el: document.getElementById("cell") });
        }""",
        [script("widget.js"), explorer_payload(model, "21")],
    )
    assert shown_answers(page) == ["1", "2"]
    page.fill(".tl-input", "321")
    assert shown_answers(page) == ["1", "2", "3"]
    assert page.evaluate("tokens") == model.encode(["321"])[0, 1:].tolist()
    page.close()
