"""Running a model with parts replaced, and seeing what it does: the primitives that methods are written with.

- :func:`run`: the logits where places carry something else;
- :func:`activations`: what is at a place;
- :func:`gradients`: of a metric of the logits, by what is at a place or what a part reads;
- :func:`inserted`: interventions in a module for as long as a ``with`` lasts, however it is called.

They work on any module with the hook points of :class:`tracrlab.learn.transformer.Transformer`, and, for places given
by their path, on any module at all. Places are those of :mod:`tracrlab.learn.places`, or their names.

>>> import tracrlab
>>> from tracrlab.learn.interventions import Zero
>>> from tracrlab.rasp.library import PROGRAMS
>>> module = tracrlab.compile(PROGRAMS["hist"].build(), vocab="ab", max_seq_len=3).to_torch()
>>> ids = module.encode(["aba"])
>>> module.decode(run(module, ids), ids)
[[2, 1, 2]]
>>> module.decode(run(module, ids, {"tokens->a0.h0<q>": Zero()}), ids) == module.decode(module(ids), ids)
False
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tracrlab.errors import InterventionError
from tracrlab.learn.edits import Edit, Hooks, Writing, edited, is_embedding, reader_site, site_of
from tracrlab.learn.interventions import Intervention, Mean, Resample, Settled, Value, mean_activation, moved
from tracrlab.learn.places import Place, Site, Subspace, place
from tracrlab.model.circuit import Edge, Node, Reader

Metric = Callable[[Tensor], Tensor]

_ELEMENTS = 2**20  # of the largest activation of several runs at once: what a processor's cache holds

At = TypeVar("At", bound=Place | str)
Replacements = Mapping[At, Intervention] | Sequence[tuple[At, Intervention]]
"""Interventions by their places, or as pairs where several are at one place, which act in their order."""

Seen = TypeVar("Seen", bound=Place | Reader | str)


def run(
    module: nn.Module,
    ids: Tensor,
    replace: Replacements[At] | None = None,
    *,
    parameters: Mapping[str, Tensor] | None = None,
) -> Any:
    """What the module gives for token ids [b, p] where some places carry something else; logits [b, p, class].

    ``parameters``, by their names, may take the place of the module's own.

    Raises:
        InterventionError: there is no such place, or what is to be put there does not fit.
    """
    with inserted(module, replace or {}, parameters=parameters):
        return called(module, ids, parameters)


@contextmanager
def inserted(
    module: nn.Module, replace: Replacements[At], *, parameters: Mapping[str, Tensor] | None = None
) -> Iterator[None]:
    """Interventions in a module, until the block ends.

    Several at one place act in their order. Edges carry what is left of edits of the parts that they
    begin at.

    Raises:
        InterventionError: there is no such place, or what is to be put there does not fit.
    """
    edits = [Edit(at, each) for at, each in settled(module, _pairs(replace), parameters)]
    hooks = Hooks(module)
    try:
        edited(hooks, Writing(hooks), edits)
        yield
    finally:
        hooks.remove()


def run_each(
    module: nn.Module,
    ids: Tensor,
    replace: Sequence[Replacements[Any]],
    *,
    parameters: Mapping[str, Tensor] | None = None,
    at_once: int | None = None,
) -> Tensor:
    """The logits [n, b, p, class] of n runs, each with its own interventions, several of them in one batch.

    ``at_once`` is how many; by default as many as a batch of ordinary size holds.

    Raises:
        InterventionError: there is no such place, or what is to be put there does not fit.
    """
    n_rows, found = len(ids), list[Tensor]()
    size = at_once or max(1, _ELEMENTS // (ids.numel() * _widest(module)))
    for start in range(0, len(replace), size):
        chunk = replace[start : start + size]
        owners = [number for number, own in enumerate(chunk) for _ in own]
        pairs = settled(module, [pair for own in chunk for pair in _pairs(own)], parameters)
        edits = [
            Edit(at, each, slice(number * n_rows, (number + 1) * n_rows))
            for number, (at, each) in zip(owners, pairs, strict=True)
        ]
        hooks = Hooks(module)
        try:
            edited(hooks, Writing(hooks), edits)
            logits: Tensor = called(module, ids.repeat(len(chunk), 1), parameters)
        finally:
            hooks.remove()
        found.append(logits.reshape(len(chunk), n_rows, *logits.shape[1:]))
    return torch.cat(found)


def activations(
    module: nn.Module,
    ids: Tensor,
    at: Iterable[Seen],
    replace: Replacements[At] | None = None,
    *,
    parameters: Mapping[str, Tensor] | None = None,
) -> dict[Seen, Tensor]:
    """What is at each of these places, [b, p, width], and what each of these readers reads.

    Raises:
        InterventionError: there is no such place, or nothing of its own is there, as on an edge.
    """
    keys, found = list(at), dict[Seen, Tensor]()
    with inserted(module, replace or {}, parameters=parameters):
        hooks = Hooks(module)
        writing = Writing(hooks)
        try:
            for key in keys:
                _noted(hooks, writing, key, found)
            called(module, ids, parameters)
        finally:
            hooks.remove()
    return {key: found[key] if key in found else _of_embedding(writing, key) for key in keys}


@contextmanager
def seen(module: nn.Module, at: Iterable[At]) -> Iterator[dict[At, Tensor]]:
    """What is at each of these places, [b, p, width], in the last run while the block lasts, however it is run.

    Raises:
        InterventionError: there is no such place, or it is an edge or a part of the embedding.
    """
    found: dict[At, Tensor] = {}
    hooks = Hooks(module)
    try:
        for key in at:
            site = _watched_site(module, key)
            hooks.note(site.path, partial(_keep, found, key, site), side=site.side)
        yield found
    finally:
        hooks.remove()


def gradients(
    module: nn.Module, ids: Tensor, metric: Metric, at: Iterable[Seen], replace: Replacements[At] | None = None
) -> dict[Seen, Tensor]:
    """The gradient of a metric of the logits by what is at each of these places, or what each of these readers reads.

    A part reads the sum of what is written before it, so the gradient by what an edge carries is that of its reader.
    ``metric`` makes a number of the logits [b, p, class], or one for each row.

    Raises:
        InterventionError: there is no such place, or nothing of its own is there.
    """
    keys, watched = list(at), dict[str, Tensor]()
    sites = {key: _watched_site(module, key) for key in keys}
    with torch.enable_grad(), inserted(module, replace or {}):
        hooks = Hooks(module)
        try:
            for path, side in sorted({(site.path, site.side) for site in sites.values()}):
                hooks.change(path, _watching(watched, f"{path} {side}"), side=side)
            total = metric(module(ids)).sum()
        finally:
            hooks.remove()
    tensors = list(watched.values())
    given = torch.autograd.grad(total, tensors, allow_unused=True)
    whole = {
        name: torch.zeros_like(tensor) if gradient is None else gradient
        for name, tensor, gradient in zip(watched, tensors, given, strict=True)
    }
    return {key: site.read_gradient(whole[f"{site.path} {site.side}"]) for key, site in sites.items()}


def edge_gradients(
    module: nn.Module,
    ids: Tensor,
    metric: Metric,
    edges: Iterable[Edge],
    replace: Replacements[At] | None = None,
) -> dict[Edge, Tensor]:
    """The gradient of a metric by what each edge carries, [b, p, d]; as for :func:`gradients`.

    Raises:
        InterventionError: there is no such edge.
    """
    edges = list(edges)
    found = gradients(module, ids, metric, {edge.reader for edge in edges}, replace)
    return {edge: found[edge.reader] for edge in edges}


def settled(
    module: nn.Module,
    replace: Iterable[tuple[At, Intervention]],
    parameters: Mapping[str, Tensor] | None = None,
) -> list[tuple[Place, Settled]]:
    """Interventions with means and what is there on other inputs computed, in one run for all that share inputs.

    Raises:
        InterventionError: there is no such place.
    """
    asked = [(_named(key), each) for key, each in replace]
    elsewhere: dict[int, tuple[Tensor, list[Place]]] = {}
    for at, each in asked:
        if isinstance(each, Mean | Resample):
            elsewhere.setdefault(id(each.ids), (each.ids, []))[1].append(_writer(at))
    values = {
        number: activations(module, ids, dict.fromkeys(places), parameters=parameters)
        for number, (ids, places) in elsewhere.items()
    }

    def settle(at: Place, each: Intervention) -> Settled:
        if not isinstance(each, Mean | Resample):
            return each
        value = values[id(each.ids)][_writer(at)]
        if isinstance(each, Mean):
            value = mean_activation(value, _present(module, each.ids), pooled=each.pooled)
        else:
            value = moved(value, each.taken)
        return Value(value, each.positions)

    return [(at, settle(at, each)) for at, each in asked]


def _pairs(replace: Replacements[At]) -> Sequence[tuple[At, Intervention]]:
    return tuple(replace.items()) if isinstance(replace, Mapping) else replace


def called(module: nn.Module, ids: Tensor, parameters: Mapping[str, Tensor] | None) -> Any:
    """What the module gives, by these parameters if there are any."""
    return module(ids) if parameters is None else functional_call(module, dict(parameters), (ids,))


def _named(key: Place | str) -> Place:
    try:
        return place(key) if isinstance(key, str) else key
    except ValueError as error:
        raise InterventionError(str(error)) from error


def _place(key: Place | Reader | str) -> Place | Reader:
    return key if isinstance(key, Reader) else _named(key)


def _writer(at: Place) -> Place:
    """Where what a place carries comes from."""
    return at.source if isinstance(at, Edge) else at


def _noted(hooks: Hooks, writing: Writing, key: Seen, found: dict[Seen, Tensor]) -> None:
    at = _place(key)
    if isinstance(at, Node) and is_embedding(at):
        writing.note([at])
        return
    site = _watched_site(hooks.module, at)
    hooks.note(site.path, lambda whole: found.__setitem__(key, site.read(whole)), side=site.side)


def _of_embedding(writing: Writing, key: Place | Reader | str) -> Tensor:
    node = _place(key)
    assert isinstance(node, Node)
    return writing.written[node]


def _watched_site(module: nn.Module, key: Place | Reader | str) -> Site | Subspace:
    at = _place(key)
    site = reader_site(module, at) if isinstance(at, Reader) else site_of(at)
    if site is None:
        raise InterventionError(f"{at} carries what its source writes; ask for the source or the reader")
    return site


def _keep(found: dict[At, Tensor], key: At, site: Site | Subspace, whole: Tensor) -> None:
    found[key] = site.read(whole)


def _watching(watched: dict[str, Tensor], name: str) -> Callable[[Tensor], Tensor]:
    def watch(activation: Tensor) -> Tensor:
        own = activation.clone()  # what passes here, apart from where else the same tensor goes
        watched[name] = own if own.requires_grad else own.requires_grad_()
        return watched[name]

    return watch


def _present(module: nn.Module, ids: Tensor) -> Tensor | None:
    pad = getattr(getattr(module, "config", None), "pad_id", None)
    return None if pad is None else ids != pad


def _widest(module: nn.Module) -> int:
    """How many numbers a position has in the largest activation while edges are watched."""
    config = getattr(module, "config", None)
    return max(getattr(config, "n_heads", 1) * getattr(config, "d_model", 1), getattr(config, "d_mlp", 1), 1)
