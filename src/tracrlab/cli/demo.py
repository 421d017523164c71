"""``make demo``: programs of the paper, compiled and run, and a look inside one of them."""

from __future__ import annotations

import time

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tracrlab import compile as compile_program
from tracrlab.cli import show
from tracrlab.rasp.display import value_text
from tracrlab.rasp.library import PROGRAMS

EXAMPLES = (  # program, vocabulary, longest input, input
    ("frac_prevs", "abcx", 5, "xacx"),
    ("sort_unique", "12345", 5, "41532"),
    ("sort", "ehlo", 8, "hello"),
    ("hist", "ehlo", 8, "hello"),
    ("reverse", "ehlo", 8, "hello"),
    ("most_freq", "abcd", 8, "abbccddd"),
    ("pair_balance", "()x", 8, "(x)())"),
    ("shuffle_dyck", "(){}", 6, "({)}"),
    ("dyck", "(){}", 6, "({)}"),
    ("induction", "abcd", 8, "abcdab"),
    ("addition", "0123456789+", 8, "123+989"),
)


def main() -> None:
    """Print the demonstration."""
    screen = show.console()
    name, vocabulary, max_seq_len, text = EXAMPLES[0]
    model = compile_program(PROGRAMS[name].build(), vocabulary, max_seq_len)
    trace = model.trace(text)
    sections = {
        "Programs compiled to transformers": _programs(),
        f"The transformer of {name}": repr(model),
        f"Its residual stream on {text}": show.residual_tables(model, trace, coloured=bool(screen.color_system)),
        "Its variables": show.trace_tables(model, trace, screen.width),
    }
    for title, content in sections.items():
        screen.print(Rule(title, align="left"))
        screen.print(content, end="\n\n")


def _programs() -> Table:
    table = show.plain_table(gap=1)
    table.add_column("program", style="cyan", no_wrap=True)
    table.add_column("input", no_wrap=True)
    table.add_column("output", no_wrap=True)
    for heading in ("layers", "d_model", "heads", "params", "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    with show.progress("compiling", total=len(EXAMPLES)) as advance:
        for name, vocabulary, max_seq_len, text in EXAMPLES:
            start = time.perf_counter()
            model = compile_program(PROGRAMS[name].build(), vocabulary, max_seq_len)
            milliseconds = 1000 * (time.perf_counter() - start)
            config = model.config
            table.add_row(
                name,
                Text(text),
                Text(" ".join(map(value_text, model(text)))),
                *map(str, (config.n_layers, config.d_model, config.n_heads)),
                f"{config.n_params:,}",
                f"{milliseconds:.0f}",
            )
            advance()
    return table


if __name__ == "__main__":
    main()
