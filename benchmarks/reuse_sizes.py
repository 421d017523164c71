"""What dimension reuse saves: compact models with and without it, and the largest live set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from rich.console import Console
from rich.table import Table

import tracrlab
from benchmarks.depths import EXAMPLE_VOCABULARIES, LENGTH, example_programs
from tracrlab import CompiledModel
from tracrlab.errors import CompileError
from tracrlab.rasp import SOp
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import Value

RANDOM = range(300)


def reuse_sizes(console: Console) -> None:
    """Print d_model, d_mlp and parameters of the models that become smaller, and how many do not."""
    programs: dict[str, tuple[SOp, list[Value]]] = {
        name: (entry.build(), list(entry.example_vocab)) for name, entry in PROGRAMS.items()
    }
    for name, program in example_programs().items():
        programs.setdefault(name, (program, list(EXAMPLE_VOCABULARIES.get(name, "§abcd"))))
    table = Table(title=f"Dimension reuse in compact models, at length {LENGTH}")
    for title in (
        "program",
        "d_model",
        "without",
        "in use at once",
        "d_mlp",
        "without",
        "parameters",
        "without",
        "saved",
    ):
        table.add_column(title, justify="left" if title == "program" else "right")
    same = []
    for name, (program, vocabulary) in programs.items():
        with_reuse, without = _models(program, vocabulary, LENGTH, causal=False)
        if with_reuse.report().n_reused:
            table.add_row(name, *_figures(with_reuse, without))
        else:
            same.append(name)
    console.print(table)
    console.print(f"as they were: {', '.join(same)}")
    console.print(_share_of_random(RANDOM))


def _models(
    program: SOp, vocabulary: Iterable[Value], length: int, *, causal: bool, **special_tokens: str
) -> tuple[CompiledModel, CompiledModel]:
    compiled = partial(
        tracrlab.compile, program, list(vocabulary), length, mode="compact", causal=causal, **special_tokens
    )
    with_reuse, without = compiled(), compiled(passes=["-reuse"])
    return with_reuse, without


def _figures(model: CompiledModel, without: CompiledModel) -> list[str]:
    ours, theirs = model.config, without.config
    return [
        *(str(ours.d_model), str(theirs.d_model), str(model.report().largest_live_set)),
        *(str(ours.d_mlp), str(theirs.d_mlp)),
        *(f"{ours.n_parameters:,}", f"{theirs.n_parameters:,}"),
        f"{1 - ours.n_parameters / theirs.n_parameters:.1%}",
    ]


def _share_of_random(seeds: range) -> str:
    """How many random programs become smaller, by their number of layers."""
    compiled, smaller = dict[int, int](), dict[int, int]()
    for seed in seeds:
        case = random_program(seed)
        try:
            model, without = _models(
                case.program, case.vocabulary, case.max_length, causal=case.causal, **case.special_tokens
            )
        except CompileError:
            continue
        layers = min(model.config.n_layers, 4)
        compiled[layers] = compiled.get(layers, 0) + 1
        smaller[layers] = smaller.get(layers, 0) + (model.config.n_parameters < without.config.n_parameters)
    parts = [
        f"{smaller[layers]} of {compiled[layers]} with {layers}{' or more' * (layers == 4)} layer{'s' * (layers > 1)}"
        for layers in sorted(compiled)
    ]
    return f"random programs that are smaller: {', '.join(parts)}"
