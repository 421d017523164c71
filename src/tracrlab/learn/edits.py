"""Interventions as hooks: what changes an activation on its way, and what changes only what one part reads of another.

An edge is replaced by a difference. Every part reads a sum, and what a part writes is one of its terms, so putting
``new − written`` on top of what one reader reads replaces the term there and nowhere else; where both are equal, the
difference is exactly zero. So the parts that edges begin at are noted as they write, after other edits of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

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
        """What is there instead of the part ``old`` [b, p, …] of all rows.

        Raises:
            InterventionError: what is to be there has another shape.
        """
        own = old[self.rows]
        try:
            new = self.intervention.instead_of(own)
            mask = chosen_positions(self.intervention.positions, own)
            new = new if mask is None else torch.where(mask, new, own)
        except (RuntimeError, IndexError) as error:
            raise InterventionError(f"{self.place}: what is to be put there does not fit: {error}") from error
        if own.shape == old.shape:
            return new
        changed = old.clone()
        changed[self.rows] = new
        return changed


@dataclass(eq=False)
class Hooks:
    """Hooks on the submodules of a module, in the order in which they act."""

    module: nn.Module
    handles: list[RemovableHandle] = field(default_factory=list)

    def change(self, path: str, edit: Callable[[Tensor], Tensor], *, side: str = "output") -> None:
        """Let ``edit`` change what comes out of a submodule, or goes in; of several tensors the first."""
        submodule = self._submodule(path)
        if side == "input":
            hook = submodule.register_forward_pre_hook(lambda _, inputs: (edit(inputs[0]), *inputs[1:]))
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


def _first_changed(output: Tensor | tuple[Tensor, ...], edit: Callable[[Tensor], Tensor]) -> object:
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
    nodes = [edit for edit in edits if isinstance(edit.place, Node) and edit.place.kind in EMBEDDING]
    edges = [edit for edit in edits if isinstance(edit.place, Edge)]
    for edit in edits:
        site = site_of(edit.place)
        if site is not None:
            hooks.change(site.path, _changing(site, edit), side=site.side)
    _edit_embedding(hooks, writing, nodes)
    _edit_edges(hooks, writing, edges)


def site_of(place: Place) -> Site | Subspace | None:
    """Where an activation passes that is what is meant by a place; ``None`` for edges and parts of the embedding."""
    if isinstance(place, Node):
        return None if place.kind in EMBEDDING else node_site(place)
    return None if isinstance(place, Edge) else place


def _changing(site: Site | Subspace, edit: Edit) -> Callable[[Tensor], Tensor]:
    return lambda whole: site.written(whole, edit.instead_of(site.read(whole)))


def _edit_embedding(hooks: Hooks, writing: Writing, edits: Sequence[Edit]) -> None:
    if not edits:
        return
    writing.note([Node("tokens")])

    def edit(stream: Tensor) -> Tensor:
        for each in edits:
            assert isinstance(each.place, Node)
            old = writing.written[each.place]
            writing.written[each.place] = each.instead_of(old)
            stream = stream + (writing.written[each.place] - old)
        return stream

    hooks.change("blocks.0.hook_resid_pre", edit)


def _edit_edges(hooks: Hooks, writing: Writing, edits: Sequence[Edit]) -> None:
    readers: dict[Reader, list[tuple[Node, Edit]]] = {}
    for edit in edits:
        assert isinstance(edit.place, Edge)
        check_order(edit.place)
        readers.setdefault(edit.place.reader, []).append((edit.place.source, edit))
    writing.note(source for own in readers.values() for source, _ in own)
    for reader, own in readers.items():
        site = reader_site(reader)

        def edit_read(whole: Tensor, site: Site = site, own: list[tuple[Node, Edit]] = own) -> Tensor:
            read = site.read(whole)
            carried: dict[Node, Tensor] = {}
            for source, each in own:
                carried[source] = each.instead_of(carried.get(source, writing.written[source]))
            for source, value in carried.items():
                read = read + (value - writing.written[source])
            return site.written(whole, read)

        hooks.change(site.path, edit_read, side=site.side)


def reader_site(reader: Reader) -> Site:
    """Where what a part reads passes, before layer norm, as a sum of what others wrote."""
    target = reader.target
    match reader.kind:
        case "mlp":
            return Site(f"blocks.{target.layer}.hook_mlp_in")
        case "logits":
            return Site("ln_final", side="input")
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
