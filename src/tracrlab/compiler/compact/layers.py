"""Which layer can compute each node, and through what it is seen from there."""

from __future__ import annotations

from math import prod

from tracrlab.compiler.compact.forms import Form, best_form
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.ir.expand import Expansion, composed, expansion_of_itself
from tracrlab.compiler.ir.nodes import Affine, Elementwise, IRNode, Mean, Rough, Source, Total

_MAX_SUMS = 2**14  # a sum is not tabulated beyond, but read as a number


class Layers:
    """For every node the first layer that can have computed it, and its expansion; found once, when asked for.

    The layer of an attention head is the one after those of all it reads. A function is computed by the MLP of the
    layer of its latest atom if some form needs nothing but what attention has left there, and otherwise one later. So
    the layers are those of the longest path, which no schedule can beat with the same components: by induction, no
    component can come earlier than the one after the latest of what it reads.
    """

    def __init__(self, precision: float, passes: Passes) -> None:
        self._precision = precision
        self._passes = passes
        self._expansions: dict[IRNode, Expansion] = {}
        self._layers: dict[IRNode, int] = {}
        self._forms: dict[IRNode, Form | None] = {}

    def _find(self, node: IRNode) -> None:
        """Find the layers and expansions of a node and of all that it reads, inputs first."""
        waiting = [node]
        while waiting:
            missing = [each for each in waiting[-1].inputs if each not in self._layers]
            if missing:
                waiting += missing
                continue
            found = waiting.pop()
            if found not in self._layers:
                self._add(found)

    def _add(self, node: IRNode) -> None:
        """Find the layer and the expansion of a node whose inputs have been added.

        An input is seen through where that costs nothing, because it depends on a single atom, or where it could not be
        ready before the node itself.
        """
        ready = max((self._layers[each] for each in node.inputs), default=0)
        if not isinstance(node, Elementwise | Affine):
            self._place(node, 0 if isinstance(node, Source) else ready + 1, expansion_of_itself(node))
            return
        for layer in (ready, ready + 1):
            expansion = self._seen_through(node, layer)
            if len(expansion.atoms) <= 1 and expansion.atoms != (node,) and not isinstance(node, Rough):
                self._place(node, self.of_atoms(expansion), expansion)
                return
            if layer > 0 and self._computable(node, expansion, layer):
                self._place(node, layer, expansion)
                return
        self._place(node, ready + 1, self._seen_through(node, ready + 1))

    def expansion(self, node: IRNode) -> Expansion:
        """The expansion of a node."""
        self._find(node)
        return self._expansions[node]

    def layer(self, node: IRNode) -> int:
        """The layer whose MLP can have computed the node; 0: the embedding holds it."""
        self._find(node)
        return self._layers[node]

    def form(self, node: IRNode) -> Form | None:
        """The form by which the node's MLP computes it from what attention leaves in the same layer, if any."""
        self._find(node)
        return self._forms.get(node)

    def of_atoms(self, expansion: Expansion) -> int:
        """The layer of the latest atom."""
        return max((self.layer(atom) for atom in expansion.atoms), default=0)

    def analog(self, expansion: Expansion, layer: int) -> list[bool]:
        """Of which atoms an MLP of this layer can read only what attention leaves."""
        return [self._layers[atom] == layer and self._is_left(atom, layer) for atom in expansion.atoms]

    def _is_left(self, node: IRNode, layer: int) -> bool:
        """Whether attention leaves a node's number for the MLP of a layer, or several that add up to it."""
        if not self._is_plain_sum(node):
            return isinstance(node, Mean | Total)
        return self._adds_up(node, layer)

    def _adds_up(self, node: IRNode, layer: int) -> bool:
        """Whether the MLP of a layer can read a sum as numbers that are there before or that attention leaves."""
        return all(self._layers[each] < layer or each.is_left_as_number for each in node.inputs)

    def _is_plain_sum(self, node: IRNode) -> bool:
        """Whether a node is a sum that is too large to tabulate, but is read as a number."""
        return isinstance(node, Affine) and self._expansions[node].atoms == (node,)

    def _place(self, node: IRNode, layer: int, expansion: Expansion) -> None:
        self._layers[node] = layer
        self._expansions[node] = expansion

    def _seen_through(self, node: Elementwise | Affine, layer: int) -> Expansion:
        """The node as a function of atoms that can be ready before the MLP of a layer."""
        if isinstance(node, Affine) and prod(len(each.values) for each in node.inputs) > _MAX_SUMS:
            return expansion_of_itself(node)
        free = [each for each in node.inputs if len(self._expansions[each].atoms) <= 1]
        late = [each for each in node.inputs if self._layers[each] >= layer]
        for open_to in ([*free, *late], free, []) if self._passes.fold else ([],):
            inner = [self._expansions[each] if each in open_to else expansion_of_itself(each) for each in node.inputs]
            expansion = composed(node, inner, lengths=self._passes.lengths)
            if expansion is not None:
                return expansion
        return expansion_of_itself(node)

    def _computable(self, node: IRNode, expansion: Expansion, layer: int) -> bool:
        """Whether an MLP of this layer can compute the node from the atoms."""
        if expansion.atoms == (node,):  # too large to tabulate: a sum of numbers, read as they are
            return self._adds_up(node, layer)
        functions = [atom for atom in expansion.atoms if isinstance(atom, Elementwise | Affine)]
        if any(self._layers[atom] >= layer and not self._is_left(atom, layer) for atom in functions):
            return False
        analog = self.analog(expansion, layer)
        if not any(analog):
            return True
        self._forms[node] = best_form(expansion, analog, self._precision)
        return self._forms[node] is not None
