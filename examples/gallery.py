"""Draw the figures of docs/gallery.md and write the page: ``make gallery``, ``python examples/gallery.py FOLDER``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from tracrlab.cli.main import main

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Entry:
    """A figure: its file, title, what to tell ``tracrlab plot``, the paper's figure in words, and what ours shows."""

    file: str
    title: str
    arguments: str
    theirs: str
    ours: str


ENTRIES = (
    Entry(
        "frac_prevs.png",
        "Figure 2 and appendix C: the fraction of earlier x",
        "frac_prevs xacx --vocab xac --max-len 4",
        "Beside the program `frac_prevs`, the residual stream of its model on `x a c x`: five panels, one after the "
        "embedding and each sublayer, tokens along, labelled dimensions down, what a sublayer changed outlined in red. "
        "The first attention and the last MLP change nothing.",
        "The same panels on the same input: `m0` writes `is_x`, `a1` the fractions 1, 1/2, 1/3, 1/2, which are "
        "shades of one row. The two sublayers that change nothing are strips that say so.",
    ),
    Entry(
        "stages.png",
        "Figure 4: the stages of the compiler",
        "frac_prevs --vocab xac --max-len 4 --kind stages",
        "The way of a program through the compiler in three pictures: a graph of the expressions with the values that "
        "each can have, a block for each of them, and the blocks stacked into attention and MLP layers.",
        "The same three from left to right, a row an expression: arcs from each to what it reads; the heads and "
        "neurons that compute it and its values; the sublayers they are put into, attention orange and MLPs blue.",
    ),
    Entry(
        "sort_unique.png",
        "Figure 5: sorting different tokens",
        "sort_unique 3142 --vocab 1234 --max-len 4",
        "The residual stream of `sort_unique`, which finds for each token the place that it is sorted to by counting "
        "smaller ones, then moves it there.",
        "The same: how many tokens are smaller is in `target_pos`, and the last attention writes the sorted tokens.",
    ),
    Entry(
        "sort.png",
        "Figure 9: sorting with duplicates",
        "sort 31423",
        "The same for a program that also sorts equal keys, which keep their order.",
        "The same: two heads count smaller tokens and equal ones before, `m0` and `m1` add the counts up to a "
        "place, `target_pos`, and the last attention moves each token there.",
    ),
    Entry(
        "pair_balance.png",
        "Figure 10: the balance of brackets",
        "pair_balance '(a)b)(' --columns 1 --fold",
        "The residual stream of `pair_balance`: the fractions of opening and of closing brackets so far, and their "
        "difference.",
        "The same, as wide as one column of a paper and folded: a row for each variable, with its value at each token "
        "as text, shaded from the first to the last of the values that it can have.",
    ),
    Entry(
        "shuffle_dyck.png",
        "Figure 11: brackets of two kinds",
        "shuffle_dyck '({)}'",
        "The residual stream of a program that checks brackets of two kinds, each kind for itself: the longest of the "
        "paper's examples, with many variables and layers.",
        "The same program, folded. Each bracket's balance is computed in parallel, then both are put together.",
    ),
    Entry(
        "shuffle_dyck_m2.png",
        "One sublayer of a long program",
        "shuffle_dyck '({)}' --sublayer m2 --no-fold --columns 1",
        "There is no such figure.",
        "A single sublayer in full: every dimension of the model of Figure 11 after its third MLP.",
    ),
    Entry(
        "patterns.png",
        "Attention patterns",
        "sort 31423 --kind patterns",
        "There is no such figure.",
        "Where each head of the model of Figure 9 looks: queries down, keys along. The last head moves every token to "
        "its place, the others attend to BOS where they count.",
    ),
    Entry(
        "weights.png",
        "Weight matrices",
        "frac_prevs --vocab xac --max-len 4 --kind weights",
        "There is no such figure of the weights themselves.",
        "The matrices of the model of Figure 2 with labelled rows and columns, each divided by its largest entry; what "
        "is zero throughout is left out. A head is drawn as the two products that count: what it compares, what it "
        "moves.",
    ),
    Entry(
        "cost.png",
        "Cost by expression",
        "sort 31423 --kind cost --columns 1",
        "There is no such figure.",
        "What each expression of the program of Figure 9 takes.",
    ),
)

INTRODUCTION = """# Gallery

Figures of compiled models, beside those of the [Tracr paper](https://arxiv.org/abs/2301.05062) that show the same
programs. `make gallery` draws them and writes this page; the same version always draws the same files. `tracrlab plot`
writes SVG, PNG and PDF, as wide as one column of a paper or two. From Python it is
`model.plot(tokens, kind="residual")`, with the same options, which gives a matplotlib figure:

```python
>>> import tracrlab
>>> from tracrlab.rasp.library import frac_prevs
>>> model = tracrlab.compile(frac_prevs(), "xac", 4)
>>> figure = model.plot("xacx")
>>> figure.savefig("frac_prevs.pdf")
>>> width = model.plot(kind="cost", columns=1).get_size_inches()[0]

```

Colours can be told apart with any kind of colour vision; what a sublayer changed has a thick red border.
"""


def gallery_page() -> str:
    """The text of docs/gallery.md."""
    parts = [INTRODUCTION]
    for entry in ENTRIES:
        parts.append(
            f"## {entry.title}\n\n![{entry.title}](gallery/{entry.file})\n\n"
            f"```sh\ntracrlab plot {entry.arguments} -o {entry.file}\n```\n\n"
            f"- **The paper:** {entry.theirs}\n- **Ours:** {entry.ours}\n"
        )
    return "\n".join(parts)


def draw_gallery(folder: Path) -> None:
    """Draw every figure into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in ENTRIES:
        try:
            main(["plot", *shlex.split(entry.arguments), "-o", str(folder / entry.file)])
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    docs = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    draw_gallery(docs / "gallery")
    (docs / "gallery.md").write_text(gallery_page(), encoding="utf-8")
