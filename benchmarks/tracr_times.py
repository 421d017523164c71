"""Compile the programs of ``tests/tracr_programs.py`` with the ``tracr`` at hand and print figures as JSON.

``python -m tracrlab.compat benchmarks/tracr_times.py`` measures Tracr Lab, ``python benchmarks/tracr_times.py`` the
original Tracr where it is installed. For each program: the milliseconds to compile it, and how many of 20 random
inputs the model answers as plain Python does; ``null`` where it does not compile.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tracr.compiler import compiling

from tests.tracr_programs import PROGRAMS, TracrProgram

INPUTS = 20


def figures(program: TracrProgram) -> tuple[float, int] | None:
    """Milliseconds to compile, and inputs answered rightly."""
    expression = program.build()
    start = time.perf_counter()
    try:
        model = compiling.compile_rasp_to_model(
            expression,
            vocab=set(program.vocab),
            max_seq_len=program.max_seq_len,
            causal=program.causal,
            compiler_bos="BOS",
            compiler_pad="PAD",
        )
    except Exception:  # whatever the compiler says: it makes no model
        return None
    milliseconds = 1000 * (time.perf_counter() - start)
    right = 0
    for tokens in program.random_inputs(INPUTS):
        answer, expected = model.apply(["BOS", *tokens]).decoded[1:], program.expected(tokens)
        right += all(map(nearly_equal, answer, expected))
    return milliseconds, right


def nearly_equal(value: object, expected: object) -> bool:
    """Whether two values are the same; the original's numbers are float32."""
    if isinstance(value, float) and isinstance(expected, int | float) and value != expected:
        return abs(value - expected) < 1e-5
    return value == expected


if __name__ == "__main__":
    figures(next(iter(PROGRAMS.values())))  # what is loaded on first use is not compiling
    print(json.dumps({name: figures(program) for name, program in PROGRAMS.items()}))
