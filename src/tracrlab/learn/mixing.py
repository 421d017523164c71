"""Running a model in which every edge carries a mix of what its source writes and what it carries elsewhere.

What many methods need and what :func:`tracrlab.learn.patching.run` does edge by edge: to exchange a set of edges for
each row of a batch (strictness on edges, faithfulness at every size of circuit), or to learn how much of each is needed
(Edge Pruning, Bhaskar et al. 2024). Here all edges that one sublayer reads are one product, so the cost hardly grows
with their number. ``b`` is batch, ``p`` position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from tracrlab.errors import InterventionError
from tracrlab.learn.edits import Hooks, Writing, check_order, reader_site
from tracrlab.learn.patching import activations, called
from tracrlab.model.circuit import Edge, Node, Reader


def run_mixed(
    module: nn.Module,
    ids: Tensor,
    other: Mapping[Node, Tensor],
    edges: Sequence[Edge],
    shares: Tensor,
    *,
    parameters: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """The logits [b, p, class] for token ids [b, p] where edges carry in part what they carry elsewhere.

    Arguments:
        module: one with the hook points of :class:`tracrlab.learn.transformer.Transformer`.
        ids: token ids.
        other: for each source of an edge what it carries elsewhere, [b, p, d] or what can be broadcast to it; see
            :func:`written`.
        edges: those that take part.
        shares: [edge], or [b, edge] for each row: 0 leaves an edge alone, 1 exchanges all of it. Gradients pass
            through it.
        parameters: by their names, instead of the module's own.

    Raises:
        InterventionError: there is no such edge, or ``shares`` have another shape.
    """
    if shares.shape not in ((len(edges),), (len(ids), len(edges))):
        raise InterventionError(f"shares of {len(edges)} edges for {len(ids)} rows have shape {tuple(shares.shape)}")
    hooks = Hooks(module)
    try:
        _mixed(hooks, other, edges, shares)
        logits: Tensor = called(module, ids, parameters)
    finally:
        hooks.remove()
    return logits


def written(
    module: nn.Module, ids: Tensor, edges: Iterable[Edge], *, parameters: Mapping[str, Tensor] | None = None
) -> dict[Node, Tensor]:
    """What each source of these edges writes, [b, p, d], on token ids [b, p].

    Raises:
        InterventionError: the module has no such part.
    """
    return activations(module, ids, dict.fromkeys(edge.source for edge in edges), parameters=parameters)


def _mixed(hooks: Hooks, other: Mapping[Node, Tensor], edges: Sequence[Edge], shares: Tensor) -> None:
    """Let each sublayer read the mixtures."""
    readers: dict[Reader, dict[Node, int]] = {}
    for number, edge in enumerate(edges):
        check_order(edge)
        readers.setdefault(edge.reader, {})[edge.source] = number
    writing = Writing(hooks)
    writing.note(edge.source for edge in edges)
    together: dict[tuple[str, str], list[Reader]] = {}
    for reader in readers:
        site = reader_site(hooks.module, reader)
        together.setdefault((site.path, site.side), []).append(reader)
    for (path, side), own in together.items():
        change = partial(_read, writing, other, {reader: readers[reader] for reader in own}, shares)
        hooks.change(path, change, side=side)


def _read(
    writing: Writing, other: Mapping[Node, Tensor], readers: Mapping[Reader, Mapping[Node, int]], shares: Tensor,
    whole: Tensor,
) -> Tensor:  # fmt: skip
    """What readers at one place read, [b, p, d] or, of heads, [b, p, head, d], with the differences added."""
    sources = list(dict.fromkeys(source for numbers in readers.values() for source in numbers))
    differences = torch.stack([other[source] - writing.written[source] for source in sources], dim=1)  # [b, s, p, d]
    own = torch.stack([_shares(numbers, sources, shares) for numbers in readers.values()], dim=-2)  # [(b,) r, s]
    added = torch.einsum("brs,bspd->bprd", own.expand(len(whole), -1, -1).to(differences), differences)
    if whole.ndim == 3:
        return whole + added[:, :, 0]
    heads = torch.tensor([reader.target.head for reader in readers], device=whole.device)
    return whole.index_add(2, heads, added)


def _shares(numbers: Mapping[Node, int], sources: Sequence[Node], shares: Tensor) -> Tensor:
    """Of what each source writes, the share that a reader is given from elsewhere, [s] or [b, s]."""
    none = torch.zeros_like(shares[..., 0])
    return torch.stack([shares[..., numbers[each]] if each in numbers else none for each in sources], dim=-1)
