"""Whether every export of every library program answers as NumPy does, on random inputs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table

import tracrlab
from tracrlab import CompiledModel
from tracrlab.errors import MissingDependencyError, TracrLabError
from tracrlab.export.agreement import Logits, n_disagreements
from tracrlab.export.onnx import onnx_model
from tracrlab.rasp.library import PROGRAMS

from oracles import SMALL_VOCABS, every_input, random_input  # isort: skip

LENGTH, N_INPUTS = 5, 200
CAUSAL_TARGETS = ("GPT-2", "GPT-2, GELU", "Llama")


def export_agreement(console: Console, names: Iterable[str]) -> None:
    """A table of library programs in both modes: on how many inputs each export agrees with NumPy."""
    table = Table("program", "mode", "inputs", *TARGETS, title=f"Answers equal to NumPy's, up to length {LENGTH}")
    modes: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")
    for name in names:
        inputs = _inputs(name)
        for mode in modes:
            bidirectional = _compiled(name, mode, causal=False)
            causal = _compiled(name, mode, causal=True) if PROGRAMS[name].causal_safe else None
            models = [causal if target in CAUSAL_TARGETS else bidirectional for target in TARGETS]
            cells = [_agreement(model, target, inputs) for model, target in zip(models, TARGETS, strict=True)]
            table.add_row(name, mode, str(len(inputs)), *cells)
    console.print(table)
    console.print('"-": GPT-2 and Llama need a causal model, and this program reads later tokens')


def _compiled(name: str, mode: Literal["faithful", "compact"], *, causal: bool) -> CompiledModel:
    return tracrlab.compile(PROGRAMS[name].build(), SMALL_VOCABS[name], LENGTH, mode=mode, causal=causal)


def _inputs(name: str) -> list[list[str]]:
    """All inputs where they are few, otherwise random ones."""
    vocabulary, rng = SMALL_VOCABS[name], random.Random(name)
    if len(vocabulary) ** LENGTH <= N_INPUTS:
        return list(every_input(vocabulary, LENGTH))
    return [random_input(name, vocabulary, rng.randint(0, LENGTH), rng) for _ in range(N_INPUTS)]


def _agreement(model: CompiledModel | None, target: str, inputs: list[list[str]]) -> str:
    if model is None:
        return "-"
    try:
        wrong = n_disagreements(model, model.readout(), TARGETS[target](model), inputs)
    except MissingDependencyError:
        return "not installed"
    except TracrLabError as error:
        return f"[red]refused: {error}[/]"
    return f"[red]{len(inputs) - wrong}[/]" if wrong else "all"


def _torch(model: CompiledModel) -> Logits:
    import torch

    module = model.to_torch()
    return lambda ids: module(torch.as_tensor(ids)).detach().numpy()


def _transformer_lens(model: CompiledModel) -> Logits:
    import torch

    lens = model.to_transformer_lens()
    return lambda ids: lens(torch.as_tensor(ids)).detach().numpy()


def _onnx(model: CompiledModel) -> Logits:
    from onnxruntime import InferenceSession

    session = InferenceSession(onnx_model(model, model.readout()).SerializeToString())
    return lambda ids: session.run(["logits"], {"ids": ids})[0]


def _jax(model: CompiledModel) -> Logits:
    import jax

    apply, params = model.to_jax()
    compiled = jax.jit(apply)
    return lambda ids: np.asarray(compiled(params, ids))


TARGETS: dict[str, Callable[[CompiledModel], Logits]] = {
    "PyTorch": _torch,
    "TransformerLens": _transformer_lens,
    "Hugging Face": lambda model: model.to_huggingface().logits,
    "GPT-2": lambda model: model.to_gpt2().logits,
    "GPT-2, GELU": lambda model: model.to_gpt2(activation="gelu").logits,
    "BERT": lambda model: model.to_bert().logits,
    "BERT, GELU": lambda model: model.to_bert(activation="gelu").logits,
    "Llama": lambda model: model.to_llama().logits,
    "ONNX": _onnx,
    "JAX": _jax,
}
