"""The explorer in a headless browser: how large its page is, how long it takes to open, and to follow a keystroke."""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

import tracrlab
from tests.viz.explorer.browser import CHROMIUM, browsing
from tracrlab.rasp.library import PROGRAMS
from tracrlab.viz.explorer import write_page

CASES: tuple[tuple[str, int, Literal["faithful", "compact"]], ...] = (
    ("frac_prevs", 8, "faithful"),
    ("shuffle_dyck", 20, "faithful"),
    ("shuffle_dyck", 20, "compact"),
    ("dyck", 20, "faithful"),
    ("sort", 40, "faithful"),
)
OPENINGS, KEYSTROKES = 7, 40
_TYPE = """(text) => new Promise((done) => {
    const input = document.querySelector(".tl-input");
    const start = performance.now();
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""
_OPEN = """() => new Promise((done) => {
    const drawn = () => requestAnimationFrame(() => setTimeout(() => done(performance.now())));
    const wait = () => (globalThis.tracrlab ? drawn() : setTimeout(wait, 1));
    wait();
})"""


def explorer_times(console: Console, cases: Iterable[tuple[str, int, Literal["faithful", "compact"]]]) -> None:
    """Page sizes, and times until the frame is drawn: of opening from the navigation's start, and of a typed letter."""
    if CHROMIUM is None:
        console.print("Chromium is not installed")
        return
    table = Table("program", "length", "mode", "page kB", "open ms", "worst", "keystroke ms", "worst")
    table.title = f"Median of {OPENINGS} openings and {KEYSTROKES} keystrokes at 1280×720"
    with browsing() as browser, tempfile.TemporaryDirectory() as folder:
        for name, length, mode in cases:
            program, rng = PROGRAMS[name], random.Random(0)
            expression = program.build()
            model = tracrlab.compile(expression, program.example_vocab, length, mode=mode, prove=False)
            tokens = rng.choices(program.example_vocab, k=length)
            path = Path(folder) / "page.html"
            write_page(model, tokens, path, program=expression)
            openings = []
            for _ in range(OPENINGS):
                page = browser.new_page(viewport={"width": 1280, "height": 720})
                page.goto(path.as_uri(), wait_until="commit")
                openings.append(page.evaluate(_OPEN))
                page.close()
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(path.as_uri())
            page.wait_for_selector(".tl-app")
            strokes = []
            for stroke in range(KEYSTROKES):
                tokens[stroke % (length - 1)] = rng.choice(program.example_vocab)
                text = "".join(tokens[: length - stroke % 2])  # a letter goes, a letter comes
                strokes.append(page.evaluate(_TYPE, text))
            page.close()
            table.add_row(
                *(name, str(length), mode, f"{path.stat().st_size / 1000:.0f}"),
                *(f"{each:.0f}" for times in (openings, strokes) for each in (statistics.median(times), max(times))),
            )
    console.print(table)
