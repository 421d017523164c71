"""How many tokens a second a compiled model processes, in PyTorch and elsewhere: one program, one length, one run.

Peers run where they are installed: ``make bench-peers`` has an environment with TransformerLens and Tracr.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import tracrlab
from tracrlab.errors import MissingDependencyError
from tracrlab.rasp.library import PROGRAMS

PROGRAM, LENGTH, N_TOKENS = "reverse", 30, 10
BATCH_SIZES = (1, 4, 16, 64, 256, 1024, 4096)
Run = Callable[[int], object]  # runs a batch of this size


def torch_speed(console: Console) -> None:
    """Tokens a second by batch size, and how many times faster PyTorch is than each peer.

    On a GPU, also how much of the memory bandwidth is used: what the operations read and write, each tensor counted
    once for each, in the time it takes, as a share of the rate at which the same GPU copies a large tensor.
    """
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        runners = dict(_runners(device))
        table = Table("batch", "PyTorch, ms", "tokens/s")
        table.title = f"{PROGRAM}, length {LENGTH}, vocabulary {N_TOKENS}, {device}, {torch.get_num_threads()} threads"
        bandwidth = _copy_rate() if device == "cuda" else None
        if bandwidth:
            table.add_column(f"of {bandwidth / 1e9:,.0f} GB/s")
        peers = [name for name in runners if name != "PyTorch"]
        for peer in peers:
            table.add_column(f"faster than {peer}")
        for size in BATCH_SIZES:
            seconds = {name: _median_time(run, size, device) for name, run in runners.items()}
            own = seconds["PyTorch"]
            ratios = [f"{seconds[peer] / own:.2f}x" for peer in peers]
            share = [f"{_traffic(runners['PyTorch'], size) / own / bandwidth:.1%}"] if bandwidth else []
            table.add_row(f"{size:,}", f"{own * 1e3:.2f}", f"{size * LENGTH / own:,.0f}", *share, *ratios)
        console.print(table)


def _runners(device: str) -> Iterator[tuple[str, Run]]:
    """What can run the program here: PyTorch first, then what it is compared with."""
    vocabulary = PROGRAMS[PROGRAM].vocabulary(N_TOKENS)
    model = tracrlab.compile(PROGRAMS[PROGRAM].build(), vocabulary, LENGTH, prove=False)
    tokens = (vocabulary * LENGTH)[:LENGTH]
    ids = model.encode([tokens] * max(BATCH_SIZES))
    on_device = torch.as_tensor(ids, device=device)
    module = model.to_torch(device=device)
    yield "PyTorch", lambda size: module(on_device[:size])
    unfused = model.to_torch(device=device, fused=False)
    yield "unfused", lambda size: unfused(on_device[:size])
    compact = tracrlab.compile(PROGRAMS[PROGRAM].build(), vocabulary, LENGTH, mode="compact", prove=False).to_torch(
        device=device
    )
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


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of the tensors that operations read and write; views move nothing."""

    n_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, torch.Tensor)]
            self.n_bytes += sum(each.numel() * each.element_size() for each in tensors)
        return result


def _traffic(run: Run, size: int) -> int:
    """The bytes that a batch of this size moves, if every operation reads and writes memory."""
    with torch.inference_mode(), _Traffic() as traffic:
        run(size)
    return traffic.n_bytes


def _copy_rate() -> float:
    """Bytes a second that the GPU reads and writes when it copies half a gibibyte."""
    source = torch.empty(2**27, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / _median_time(lambda _: target.copy_(source), 1, "cuda")


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
