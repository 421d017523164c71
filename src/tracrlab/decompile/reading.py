"""From weights to variables: "weights propose, all inputs decide".

The residual stream is a sum of variables, each an integer class at every position of every input. It begins with tokens
and indices. What a sublayer writes is split into a new variable for each head and group of neurons, as a function of
variables that were there: the weights propose which, by reading what those variables are written as, and the smallest
set of which it is a function on all inputs is kept. What is a function of one variable is no new one but another
direction of that variable, which takes in copies, conversions between encodings and dimensions that are cleared.

No label is read, and no order or basis of dimensions, heads or neurons matters. Everything is decided by equality, up
to the tolerance at which two vectors count as one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tracrlab.decompile.attention import HeadRun, explained, table_entries
from tracrlab.decompile.functions import distinct_vectors, smallest_set
from tracrlab.decompile.network import Network
from tracrlab.decompile.neurons import neuron_groups
from tracrlab.decompile.nodes import Definition, Node, Source, Table
from tracrlab.decompile.stream import Held, States, Stream, Written
from tracrlab.rasp.batches import Batch, Coded
from tracrlab.shapes import Bool, Float, Int

_NO_WEIGHT = 1e-9  # of the largest singular value: less is rounding


@dataclass(eq=False)
class Reading:
    """What was found in a model: ``nodes`` in order of discovery, the ``answer``, and what is ``unexplained``.

    ``unexplained`` has the part and the reason; there is no answer unless it is empty.
    """

    nodes: list[Node] = field(default_factory=list)
    answer: Table | None = None
    unexplained: list[tuple[str, str]] = field(default_factory=list)


def read(network: Network, batch: Batch, answers: Coded, tolerance: float) -> Reading:
    """What computes the answers on these inputs, where vectors count as one up to ``tolerance``."""
    reader = _Reader(network, batch, tolerance)
    for layer in range(network.config.n_layers):
        if not reader.found.unexplained:
            reader.attention(layer)
        if not reader.found.unexplained:
            reader.mlp(layer)
    if not reader.found.unexplained:
        reader.answer(answers)
    return reader.found


class _Reader:
    """The state of reading: the stream at ordinary positions, the vectors at BOS, and what was found."""

    def __init__(self, network: Network, batch: Batch, tolerance: float) -> None:
        self.config, self.weights = network.config, network.exact
        self.batch, self.tolerance = batch, tolerance
        self.found = Reading()
        self.stream = Stream(batch, np.zeros(self.config.d_model))
        n_tokens, size = len(self.config.vocab), batch.inside.shape[1]
        tokens = self._node(Source("tokens"), batch.tokens.codes, n_tokens, "embed")
        indices = self._node(Source("indices"), np.broadcast_to(np.arange(size), batch.inside.shape), size, "embed")
        self.stream.held = [
            Held(tokens, self.weights.W_E[:n_tokens]),
            Held(indices, self.weights.W_pos[1 : size + 1]),
        ]
        start = self.weights.W_E[self.config.bos_id] + self.weights.W_pos[0]
        self.bos = np.repeat(start[None], len(batch.inside), axis=0)

    def _node(self, definition: Definition, codes: Int[np.ndarray, "input position"], size: int, place: str) -> Node:
        node = Node(len(self.found.nodes), definition, np.where(self.batch.inside, codes, 0), size, [place])
        self.found.nodes.append(node)
        return node

    def _settle(self, written: list[tuple[Written, Held | Node | None]]) -> None:
        """Add what a sublayer wrote to the stream: to the constant, to a variable, or as a new one."""
        for what, to in written:
            if isinstance(to, Node):
                self.stream.held.append(Held(to, what.images))
            else:
                self.stream.add(what, to)

    # Attention -----------------------------------------------------------------------------------------------------

    def attention(self, layer: int) -> None:
        """Read the heads of a layer."""
        states, bos, written = self.stream.states(), self.bos, []
        for head in range(self.config.n_heads):
            result = self._head(layer, head, states, bos)
            if result is not None:
                written.append(result)
        self._settle(written)

    def _head(
        self, layer: int, head: int, states: States, bos: Float[np.ndarray, "input d_model"]
    ) -> tuple[Written, Held | Node | None] | None:
        batch, place = self.batch, f"a{layer}.h{head}"
        W_Q = self.weights.W_Q[layer, head] / np.sqrt(self.config.d_head)
        W_K, W_V = self.weights.W_K[layer, head], self.weights.W_V[layer, head]
        u, sizes, directions = np.linalg.svd(self.weights.W_O[layer, head], full_matrices=False)
        rank = int((sizes > _NO_WEIGHT * sizes[:1]).sum())
        W_V, directions = W_V @ (u[:, :rank] * sizes[:rank]), directions[:rank]
        if not W_V.any():
            return None
        queries, keys, values = states.vectors @ W_Q, states.vectors @ W_K, states.vectors @ W_V
        bos_query, bos_key, bos_value = bos @ W_Q, bos @ W_K, bos @ W_V
        at_bos = np.einsum("bqd,bd->bq", queries[states.codes], bos_key)
        scores = _pair_scores(queries, keys, states.codes) - at_bos[:, :, None]
        carried = values[states.codes]
        mixed = _attended(scores, batch.visible, carried, bos_value)[batch.inside]
        self._add_at_bos(keys[states.codes], bos_query, bos_key, carried, bos_value, directions)

        codes = np.zeros(batch.inside.shape, int)
        codes[batch.inside], vectors = distinct_vectors(mixed, self.tolerance, float(np.abs(mixed).max(initial=0)))
        written = Written(codes, vectors @ directions, place)
        if self.stream.is_constant(written):
            return written, None
        carrier = self.stream.carrier(written)
        if carrier is not None:
            return written, carrier
        from_bos = keys - bos_key.mean(axis=0)
        run = HeadRun(
            scores,
            batch.visible,
            batch.inside,
            tuple(held.node for held in self.stream.moving(lambda images: queries @ (images @ W_K).T)),
            tuple(held.node for held in self.stream.moving(lambda images: from_bos @ (images @ W_Q).T)),
            tuple(held.node for held in self.stream.moving(lambda images: images @ W_V)),
            carried,
            bos_value,
            codes,
            len(vectors),
            self.tolerance,
        )
        result = explained(run, lambda definition, codes, size: self._node(definition, codes, size, place))
        if isinstance(result, str):
            self.found.unexplained.append((place, result))
            return None
        node, renumbered = result
        return Written(node.codes, (vectors @ directions)[renumbered], place), node

    def _add_at_bos(
        self,
        keys: Float[np.ndarray, "input position d_head"],
        bos_query: Float[np.ndarray, "input d_head"],
        bos_key: Float[np.ndarray, "input d_head"],
        carried: Float[np.ndarray, "input position rank"],
        bos_value: Float[np.ndarray, "input rank"],
        directions: Float[np.ndarray, "rank d_model"],
    ) -> None:
        """Add what the head writes at BOS, which in a causal model sees nothing but itself."""
        scores = np.einsum("bkd,bd->bk", keys, bos_query) - np.einsum("bd,bd->b", bos_key, bos_query)[:, None]
        visible = np.zeros_like(self.batch.inside) if self.batch.causal else self.batch.inside
        self.bos = self.bos + _attended(scores[:, None], visible[:, None], carried, bos_value)[:, 0] @ directions

    # Neurons -------------------------------------------------------------------------------------------------------

    def mlp(self, layer: int) -> None:
        """Read the neurons of a layer."""
        W_in, W_out = self.weights.W_in[layer], self.weights.W_out[layer]
        states = self.stream.states()
        active = np.maximum(states.vectors @ W_in, 0)
        self.bos = self.bos + np.maximum(self.bos @ W_in, 0) @ W_out
        columns = [held.node.codes[self.batch.inside][states.rows] for held in self.stream.held]
        sizes = [held.node.size for held in self.stream.held]
        moves = np.stack([np.ptp(held.images @ W_in, axis=0) for held in self.stream.held])
        written: list[tuple[Written, Held | Node | None]] = []
        for group in neuron_groups(moves, active, W_out, columns, sizes, self.tolerance):
            place = f"m{layer}.{_neurons_text(group.neurons)}"
            vectors = active[:, group.neurons] @ W_out[group.neurons]
            own, images = distinct_vectors(vectors, self.tolerance, float(np.abs(vectors).max()))
            what = Written(np.where(self.batch.inside, own[states.codes], 0), images, place)
            if self.stream.is_constant(what):
                written.append((what, None))
                continue
            carrier = self.stream.carrier(what)
            if carrier is not None:
                written.append((what, carrier))
                continue
            found = smallest_set([columns[each] for each in group.reads], [sizes[each] for each in group.reads], own)
            if found is None:
                self.found.unexplained.append((place, "what they write is no function of the variables they read"))
                return
            reads = [group.reads[each] for each in found]
            entries, results = table_entries([columns[each] for each in reads], [sizes[each] for each in reads], own)
            table = Table(tuple(self.stream.held[each].node for each in reads), entries, results)
            written.append((what, self._node(table, what.codes, len(images), place)))
        self._settle(written)

    # The answer ----------------------------------------------------------------------------------------------------

    def answer(self, answers: Coded) -> None:
        """Read the unembedding: of which variables the answers are a function."""
        proposed = self.stream.moving(lambda images: images @ self.weights.W_U)
        inside = self.batch.inside
        columns = [held.node.codes[inside] for held in proposed]
        sizes, results = [held.node.size for held in proposed], answers.codes[inside]
        found = smallest_set(columns, sizes, results)
        if found is None:
            self.found.unexplained.append(("unembed", "the answer is no function of the variables that it reads"))
            return
        entries, own = table_entries([columns[each] for each in found], [sizes[each] for each in found], results)
        self.found.answer = Table(tuple(proposed[each].node for each in found), entries, own)


def _pair_scores(
    queries: Float[np.ndarray, "state d_head"],
    keys: Float[np.ndarray, "state d_head"],
    states: Int[np.ndarray, "input position"],
) -> Float[np.ndarray, "input query key"]:
    """The scores of all pairs; those of states are looked up where there are fewer."""
    if len(queries) ** 2 <= states.size * states.shape[1]:
        table = queries @ keys.T
        found: np.ndarray = table[states[:, :, None], states[:, None, :]]
        return found
    return queries[states] @ keys[states].swapaxes(1, 2)  # type: ignore[no-any-return]


def _attended(
    scores: Float[np.ndarray, "input query key"],
    visible: Bool[np.ndarray, "input query key"],
    carried: Float[np.ndarray, "input key rank"],
    bos_value: Float[np.ndarray, "input rank"],
) -> Float[np.ndarray, "input query rank"]:
    """What attention makes of what is carried, where the score of BOS is 0."""
    scores = np.where(visible, scores, -np.inf)
    top = np.maximum(scores.max(axis=2, keepdims=True, initial=0.0), 0.0)
    shares = np.exp(scores - top)
    at_bos = np.exp(-top)
    mixed: np.ndarray = (shares @ carried + at_bos * bos_value[:, None]) / (shares.sum(axis=2, keepdims=True) + at_bos)
    return mixed


def _neurons_text(neurons: Int[np.ndarray, " neuron"]) -> str:
    """Neurons in ranges, as in ``n0-3,7``."""
    parts: list[list[int]] = []
    for neuron in neurons.tolist():
        if parts and parts[-1][1] == neuron - 1:
            parts[-1][1] = neuron
        else:
            parts.append([neuron, neuron])
    return "n" + ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
