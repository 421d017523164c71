"""How many tokens a second a compiled model processes, in PyTorch and elsewhere: one program, one length, one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from rich.console import Console
from rich.table import Table

import tracrlab
from tracrlab.errors import MissingDependencyError
from tracrlab.rasp.library import PROGRAMS

PROGRAM, LENGTH, N_TOKENS = "reverse", 30, 10
BATCH_SIZES = (1, 4, 16, 64, 256, 1024, 4096)
Run = Callable[[int], object]  # runs a batch of this size


def torch_speed(console: Console) -> None:
    """Tokens a second by batch size; columns after the first two are how many times faster PyTorch is."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        runners = dict(_runners(device))
        table = Table("batch", "PyTorch, ms", "tokens/s")
        table.title = f"{PROGRAM}, length {LENGTH}, vocabulary {N_TOKENS}, {device}, {torch.get_num_threads()} threads"
        peers = [name for name in runners if name != "PyTorch"]
        for peer in peers:
            table.add_column(f"faster than {peer}")
        for size in BATCH_SIZES:
            seconds = {name: _median_time(run, size, device) for name, run in runners.items()}
            own = seconds["PyTorch"]
            ratios = [f"{seconds[peer] / own:.2f}x" for peer in peers]
            table.add_row(f"{size:,}", f"{own * 1e3:.2f}", f"{size * LENGTH / own:,.0f}", *ratios)
        console.print(table)


def _runners(device: str) -> Iterator[tuple[str, Run]]:
    """What can run the program here: PyTorch first, then what it is compared with."""
    vocabulary = PROGRAMS[PROGRAM].vocabulary(N_TOKENS)
    model = tracrlab.compile(PROGRAMS[PROGRAM].build(), vocabulary, LENGTH)
    tokens = (vocabulary * LENGTH)[:LENGTH]
    ids = model.encode([tokens] * max(BATCH_SIZES))
    on_device = torch.as_tensor(ids, device=device)
    module = model.to_torch(device=device)
    yield "PyTorch", lambda size: module(on_device[:size])
    unfused = model.to_torch(device=device, fused=False)
    yield "unfused", lambda size: unfused(on_device[:size])
    compact = tracrlab.compile(PROGRAMS[PROGRAM].build(), vocabulary, LENGTH, mode="compact").to_torch(device=device)
    yield "compact mode", lambda size: compact(on_device[:size])
    yield "NumPy", lambda size: model.forward(ids[:size])
    try:
        lens = model.to_transformer_lens(device=device)
        yield "TransformerLens", lambda size: lens(on_device[:size])
    except MissingDependencyError:
        pass
    yield from _tracr(tokens)


def _tracr(tokens: tuple[str, ...]) -> Iterator[tuple[str, Run]]:
    """Tracr's model of the same program, where Tracr is installed: jit-compiled, with all of a batch at once."""
    try:
        import jax
        from tracr.compiler import compiling, lib
        from tracr.rasp import rasp
    except ImportError:
        return
    model = compiling.compile_rasp_to_model(lib.make_reverse(rasp.tokens), set(tokens), LENGTH, compiler_bos="BOS")
    row = model.input_encoder.encode(["BOS", *tokens])
    ids = jax.numpy.array([row] * max(BATCH_SIZES))
    apply = jax.jit(lambda params, batch: model.forward(params, batch).unembedded_output)
    yield "Tracr (JAX, jit)", lambda size: apply(model.params, ids[:size]).block_until_ready()


def _median_time(run: Run, size: int, device: str) -> float:
    """Seconds a batch of this size takes: the median of at least 5 runs and half a second, after a first."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    times: list[float] = []
    with torch.inference_mode():
        run(size)
        while len(times) < 5 or sum(times) < 0.5:
            wait()
            start = time.perf_counter()
            run(size)
            wait()
            times.append(time.perf_counter() - start)
    return statistics.median(times)
