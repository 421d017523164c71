"""Interventions as hooks: what changes an activation on its way, and what changes only what one part reads of another.

An edge is replaced by a difference. Every part reads a sum, and what a part writes is one of its terms, so putting
``new − written`` on top of what one reader reads replaces the term there and nowhere else; where both are equal, the
difference is exactly zero. So the parts that edges begin at are noted as they write, after other edits of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tracrlab.errors import InterventionError
from tracrlab.learn.interventions import Settled, chosen_positions
from tracrlab.learn.places import Place, Site, Subspace, node_site
from tracrlab.model.circuit import Edge, Node, Reader

EMBEDDING = ("tokens", "positions", "constant")  # the parts that the embedding is the sum of


@dataclass(frozen=True, eq=False)
class Edit:
    """An intervention at a place, for some rows of the batch or all."""

    place: Place
    intervention: Settled
    rows: slice = field(default_factory=lambda: slice(None))

    def instead_of(self, old: Tensor) -> Tensor:
        """What is there instead of the part ``old`` [b, p, …], of its own rows.

        Raises:
            InterventionError: what is to be there has another shape.
        """
        try:
            new = self.intervention.instead_of(old)
            mask = chosen_positions(self.intervention.positions, old)
            return new if mask is None else torch.where(mask, new, old)
        except (RuntimeError, IndexError) as error:
            raise InterventionError(f"{self.place}: what is to be put there does not fit: {error}") from error


@dataclass(eq=False)
class Hooks:
    """Hooks on the submodules of a module, in the order in which they act."""

    module: nn.Module
    handles: list[RemovableHandle] = field(default_factory=list)

    def change(self, path: str, edit: Callable[[Tensor], Tensor], *, side: str = "output") -> None:
        """Let ``edit`` change what comes out of a submodule, or goes in; of several tensors the first."""
        submodule = self._submodule(path)
        if side == "input":
            hook = submodule.register_forward_pre_hook(lambda _, inputs: _input_changed(path, inputs, edit))
        else:
            hook = submodule.register_forward_hook(lambda _, inputs, output: _first_changed(output, edit))
        self.handles.append(hook)

    def note(self, path: str, keep: Callable[[Tensor], None], *, side: str = "output") -> None:
        """Let ``keep`` see it."""

        def unchanged(activation: Tensor) -> Tensor:
            keep(activation)
            return activation

        self.change(path, unchanged, side=side)

    def remove(self) -> None:
        """Remove them."""
        for handle in self.handles:
            handle.remove()

    def _submodule(self, path: str) -> nn.Module:
        try:
            return self.module.get_submodule(path)
        except AttributeError as error:
            raise InterventionError(f"there is no place {path!r} in {type(self.module).__name__}: {error}") from error


def _input_changed(path: str, inputs: tuple[Any, ...], edit: Callable[[Tensor], Tensor]) -> tuple[Any, ...]:
    if not inputs:
        raise InterventionError(f"the inputs of {path} are given by name; choose a place inside of it")
    return (edit(inputs[0]), *inputs[1:])


def _first_changed(output: Tensor | tuple[Any, ...], edit: Callable[[Tensor], Tensor]) -> object:
    return edit(output) if isinstance(output, Tensor) else (edit(output[0]), *output[1:])


@dataclass(eq=False)
class Writing:
    """What parts write in a forward pass, noted while it runs, with what is put in their place."""

    hooks: Hooks
    written: dict[Node, Tensor] = field(default_factory=dict)
    _noted: set[Node] = field(default_factory=set)
    _ids: Tensor | None = None

    def note(self, nodes: Iterable[Node]) -> None:
        """Note what these parts write, and all that the embedding does if one of them belongs to it."""
        wanted = {*nodes} - self._noted
        if any(node.kind in EMBEDDING for node in wanted) and not any(node.kind in EMBEDDING for node in self._noted):
            self._note_embedding()
        for node in sorted(wanted, key=str):
            if node.kind not in EMBEDDING:
                self.hooks.note(node_site(node).path, partial(self._keep, node))
        self._noted |= wanted

    def _keep(self, node: Node, whole: Tensor) -> None:
        self.written[node] = node_site(node).read(whole)

    def _note_embedding(self) -> None:
        """Constants are told apart where the embeddings say what theirs are, as those of compiled models do."""
        tokens, positions, constant = (Node("tokens"), Node("positions"), Node("constant"))

        def embedded(whole: Tensor) -> None:
            own = _constant(self.hooks.module, "embed")
            shared = torch.zeros_like(whole) if own is None else own[self._ids].to(whole)
            self.written[tokens], self.written[constant] = whole - shared, shared

        def placed(whole: Tensor) -> None:
            own = _constant(self.hooks.module, "pos_embed")
            shared = torch.zeros_like(whole) if own is None else own[: whole.shape[1]].to(whole)
            self.written[positions] = whole - shared
            self.written[constant] = self.written[constant] + shared

        self.hooks.note("embed", lambda ids: setattr(self, "_ids", ids), side="input")
        self.hooks.note("hook_embed", embedded)
        self.hooks.note("hook_pos_embed", placed)


def _constant(module: nn.Module, name: str) -> Tensor | None:
    found = getattr(getattr(module, name), "constant", None)
    return found if isinstance(found, Tensor) else None


def edited(hooks: Hooks, writing: Writing, edits: Sequence[Edit]) -> None:
    """Let the edits act: first those of activations, then those of the embedding's parts, then those of edges.

    Raises:
        InterventionError: there is no such place, or a value does not fit it.
    """
    passing: dict[tuple[str, str], list[tuple[Site | Subspace, Edit]]] = {}
    for edit in edits:
        if site := site_of(edit.place):
            passing.setdefault((site.path, site.side), []).append((site, edit))
    for (path, side), own in passing.items():
        hooks.change(path, partial(_edit_activation, own), side=side)
    _edit_embedding(hooks, writing, [each for each in edits if is_embedding(each.place)])
    _edit_edges(hooks, writing, edits)


def is_embedding(place: Place) -> bool:
    """Whether a place is a part that the embedding is the sum of."""
    return isinstance(place, Node) and place.kind in EMBEDDING


def site_of(place: Place) -> Site | Subspace | None:
    """Where an activation passes that is what is meant by a place; ``None`` for edges and parts of the embedding."""
    if isinstance(place, Node):
        return None if place.kind in EMBEDDING else node_site(place)
    return None if isinstance(place, Edge) else place


def _edit_activation(edits: Sequence[tuple[Site | Subspace, Edit]], activation: Tensor) -> Tensor:
    """All edits of what passes at one submodule: one copy of it, whose rows are changed."""
    changed = activation.clone()
    for site, edit in edits:
        rows = changed[edit.rows]
        site.write(rows, edit.instead_of(site.read(rows).clone()))
    return changed


def _edit_embedding(hooks: Hooks, writing: Writing, edits: Sequence[Edit]) -> None:
    if not edits:
        return
    writing.note([Node("tokens")])

    def edit_stream(stream: Tensor) -> Tensor:
        differences = _differences(writing, [(edit.place, edit) for edit in edits])
        for part, rows, difference in differences:
            writing.written[part] = _with_added(writing.written[part], rows, difference)
            stream = _with_added(stream, rows, difference)
        return stream

    hooks.change("blocks.0.hook_resid_pre", edit_stream)


def _edit_edges(hooks: Hooks, writing: Writing, edits: Sequence[Edit]) -> None:
    readers: dict[Reader, list[tuple[Place, Edit]]] = {}
    for edit in edits:
        if isinstance(edit.place, Edge):
            check_order(edit.place)
            writing.note([edit.place.source])
            readers.setdefault(edit.place.reader, []).append((edit.place.source, edit))
    for reader, own in readers.items():
        site = reader_site(hooks.module, reader)
        hooks.change(site.path, partial(_edit_reader, writing, site, own), side=site.side)


def _edit_reader(writing: Writing, site: Site, edits: Sequence[tuple[Place, Edit]], whole: Tensor) -> Tensor:
    """What one part reads, where some of what it reads of others is something else."""
    changed = whole.clone()
    for _, rows, difference in _differences(writing, edits):
        own = changed[rows]
        site.write(own, site.read(own) + difference)
    return changed


def _differences(writing: Writing, edits: Sequence[tuple[Place, Edit]]) -> Iterator[tuple[Node, slice, Tensor]]:
    """For each part and the rows of its edits: what it is to carry instead, less what it wrote.

    Only these rows are touched, so that many runs in one batch cost no more than one after another.
    """
    together: dict[tuple[Place, int | None], list[Edit]] = {}
    for source, edit in edits:
        together.setdefault((source, edit.rows.start), []).append(edit)
    for (source, _), own in together.items():
        assert isinstance(source, Node)
        rows = own[0].rows
        written = carried = writing.written[source][rows]
        for edit in own:
            carried = edit.instead_of(carried)
        yield source, rows, carried - written


def _with_added(whole: Tensor, rows: slice, difference: Tensor) -> Tensor:
    changed = whole.clone()
    changed[rows] += difference
    return changed


def reader_site(module: nn.Module, reader: Reader) -> Site:
    """Where what a part reads passes, before layer norm, as a sum of what others wrote.

    TransformerLens has no final norm where it is none.
    """
    target = reader.target
    match reader.kind:
        case "mlp":
            return Site(f"blocks.{target.layer}.hook_mlp_in")
        case "logits":
            return Site("ln_final" if hasattr(module, "ln_final") else "unembed", side="input")
    return Site(f"blocks.{target.layer}.hook_{reader.kind}_input", head=target.head)


def check_order(edge: Edge) -> None:
    """Check that an edge leads forwards.

    Raises:
        InterventionError: it does not.
    """
    if _sublayer(edge.source) >= _sublayer(edge.target):
        raise InterventionError(f"{edge} is no edge: {edge.target} does not come after {edge.source}")


def _sublayer(node: Node) -> float:
    if node.layer is None:
        return float("inf") if node.kind == "logits" else -1
    return 2 * node.layer + (node.kind == "mlp")
