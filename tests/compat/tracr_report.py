"""Print, as JSON, what the ``tracr`` at hand says of programs: ``python tracr_report.py`` the original's report,
``python -m tracrlab.compat tracr_report.py`` that of Tracr Lab.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tracr.compiler import compiling, lib, rasp_to_graph
from tracr.rasp import causal_eval, rasp

from tests.tracr_programs import PROGRAMS, TracrProgram

COMPILED = ("lib_hist", "lib_frac_prevs", "square", "maximum")


def structure(program: TracrProgram) -> Any:
    """The labels and edges of the program, numbered from 1."""
    lib.length = lib.make_length()  # the shared one may have a label already
    rasp.RASPExpr._ids = itertools.count(1)
    graph = rasp_to_graph.extract_rasp_graph(program.build()).graph
    return [sorted(graph.nodes), sorted(graph.edges)]


def values(program: TracrProgram) -> Any:
    """What the interpreter says on random inputs; null where it fails."""
    evaluate = causal_eval.evaluate if program.causal else rasp.evaluate
    expression = program.build()
    answers = []
    for tokens in program.random_inputs(10):
        try:
            answers.append([repr(value) for value in normal(evaluate(expression, tokens))])
        except (ValueError, TypeError):
            answers.append(None)
    return answers


def normal(values: list[Any]) -> list[Any]:
    """Equal numbers as one: a mean of equal values is one of these here, a float there; sums of floats are rounded."""
    return [round(float(value), 9) if isinstance(value, int | float) else value for value in values]


def model(program: TracrProgram) -> Any:
    """The directions that hold tokens, positions and the answer, and what the model answers."""
    rasp.RASPExpr._ids = itertools.count(1)
    compiled = compiling.compile_rasp_to_model(
        program.build(),
        vocab=set(program.vocab),
        max_seq_len=program.max_seq_len,
        causal=program.causal,
        compiler_bos="BOS",
        compiler_pad="PAD",
    )
    sources = [label for label in compiled.residual_labels if label.startswith(("tokens:", "indices:"))]
    inputs = program.random_inputs(5)
    answers = [[round(float(value), 5) for value in compiled.apply(["BOS", *tokens]).decoded[1:]] for tokens in inputs]
    return [sources, compiled.input_encoder.encoding_map, answers]


if __name__ == "__main__":
    report = {
        "structure": {name: structure(program) for name, program in PROGRAMS.items()},
        "values": {name: values(program) for name, program in PROGRAMS.items()},
        "models": {name: model(PROGRAMS[name]) for name in COMPILED},
    }
    print(json.dumps(report))
