"""What can be proven of a graft, from the parameters of its checkpoint.

In front of a host the stream that enters the program's layers is a row of a table: what the embedding holds for the
token. So what the program computes is proven for every prompt over the host's whole vocabulary:

- every token's row is, in the program's dimensions, that of one of the program's tokens or of BOS;
- pins are so large that norms are the identity whatever the token, and what is read and written is the program's lane;
- the program's heads and neurons, read back, do what is claimed of the model: the proof of
  :mod:`tracrlab.verify.induction`, for this architecture;
- the guard, the read-out and what clears the lane are those of the construction, number for number
  (:mod:`tracrlab.inject.guard`, :mod:`tracrlab.inject.answers`);
- the host's layers neither read nor write the lane, and new layers neither read nor write the host's dimensions.

Between layers of a host the stream is not a table: that pins outweigh it is an assumption then, and said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from tracrlab.craft.formats import FORMATS
from tracrlab.export.activations import SILU
from tracrlab.inject.answers import READ
from tracrlab.inject.checkpoint import Checkpoint
from tracrlab.inject.packing import Layer
from tracrlab.inject.parts import SATURATED, SCALE, active_heads, active_neurons
from tracrlab.inject.pins import LOST, PIN
from tracrlab.inject.plan import Lanes
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate
from tracrlab.shapes import Float
from tracrlab.verify.induction import certify_network
from tracrlab.verify.network import Network
from tracrlab.verify.norms import RMSNorm

_HOST_SIZE = 2.0**26  # of a stream between layers, that is assumed: its square is 2^-28 of a pin's


@dataclass(frozen=True)
class GraftCertificate:
    """What was found: the ``programs``' certificates, what is not as it has to be (``faults``), and ``assumptions``.

    ``n_tokens`` of the host's vocabulary; ``angle``, in radians, by which the host's rotary embedding is off at most.
    """

    programs: tuple[Certificate, ...]
    faults: tuple[str, ...]
    n_tokens: int
    angle: float
    assumptions: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether all is proven."""
        return not self.faults and all(each.weights_proven for each in self.programs)

    def __str__(self) -> str:
        """The verdict in a few lines."""
        if self.faults:
            return "not proven: " + "; ".join(self.faults)
        lines = []
        for each in self.programs:
            reach = f"for every prompt over the {self.n_tokens:,} tokens of the host"
            lines.append(
                f"{each.model}: proven {reach}: BOS and up to {each.max_seq_len} tokens"
                if each.weights_proven
                else f"{each.model}: not proven: {each.reason}"
            )
        lines.append(
            "Where they are silent, the host's parameters are its own, but for one more rounding of norms' gains and "
            f"of queries, and angles of its rotary positions that are off by {self.angle:.1g} at most"
        )
        return "\n".join([*lines, *(f"It is assumed that {each}." for each in self.assumptions)])


def certify_graft(grafted: Checkpoint) -> GraftCertificate:
    """Prove what the checkpoint computes, from its parameters.

    Raises:
        VerificationError: a model carries no claims.
    """
    state = {name: value.detach().cpu().numpy() for name, value in grafted.model.state_dict().items()}
    lanes = grafted.lanes
    faults = [*_settings(grafted), *_new_layers(state, lanes, grafted.model.config), *_tables(state, grafted)]
    faults += _host_layers(state, grafted)
    programs = [
        certify_network(model, _network(state, model, number, grafted)) for number, model in enumerate(grafted.sources)
    ]
    assumptions = (
        () if not lanes.at else (f"the host's stream is shorter than {_HOST_SIZE:.3g} where the program begins",)
    )
    return GraftCertificate(
        tuple(programs), tuple(faults), grafted.model.config.vocab_size, _angle(grafted), assumptions
    )


def _angle(grafted: Checkpoint) -> float:
    """How far an angle of the host's rotary embedding is off at most, at the last position there is."""
    ours, theirs = (each.model.rotary_emb.inv_freq.cpu().double() for each in (grafted.model, grafted.host.model))
    off = (ours[: len(theirs)] - theirs).abs().max()
    return float(off) * int(grafted.host.config.max_position_embeddings)


def _settings(grafted: Checkpoint) -> Iterator[str]:
    config, lanes = grafted.model.config, grafted.lanes
    inverse = grafted.model.model.rotary_emb.inv_freq.cpu().numpy()
    if inverse[lanes.heads.own // 2 :].any():
        yield "dimensions of heads turn that should not"
    if sum(factor**2 for factor in lanes.pins.factors) != config.hidden_size or config.rms_norm_eps > PIN**2 * LOST / 4:
        yield "pins do not make norms the identity"
    if str(grafted.model.dtype) != "torch.float32":
        yield f"it is in {grafted.model.dtype}, and a graft is exact in float32 only"


def _new_layers(state: Mapping[str, np.ndarray], lanes: Lanes, config: Any) -> Iterator[str]:
    """What new layers hold, number for number."""
    shared = config.num_attention_heads // config.num_key_value_heads
    last = lanes.layers.stop - 1
    for number, layer in zip(lanes.layers, lanes.new, strict=True):
        expected = _expected(layer, lanes, state, f"model.layers.{number}.", shared, clears=number == last)
        for name, array in expected.items():
            if not np.array_equal(state[name], array.astype(np.float32)):
                yield f"{name} is not what was grafted"


def _expected(
    layer: Layer, lanes: Lanes, state: Mapping[str, np.ndarray], name: str, shared: int, *, clears: bool
) -> dict[str, np.ndarray]:
    """The parameters of a new layer as the plan has them, written down once more, place by place."""
    size, lane = lanes.heads.size, np.arange(lanes.lane.start, lanes.lane.stop)
    own = {key: np.zeros(array.shape) for key, array in state.items() if key.startswith(name)}
    for norm in ("input_layernorm", "post_attention_layernorm"):
        own[f"{name}{norm}.weight"] += PIN
    for group, head in enumerate(layer.heads):
        for number in range(head.keys.shape[1]):
            row = int(lanes.heads.still[number])
            own[f"{name}self_attn.q_proj.weight"][group * shared * size + row, lane] = (
                head.queries[:, number] * sqrt(size) / SCALE
            )
            own[f"{name}self_attn.k_proj.weight"][group * size + row, lane] = head.keys[:, number] / SCALE
        for number in range(head.values.shape[1]):
            own[f"{name}self_attn.v_proj.weight"][group * size + number, lane] = head.values[:, number]
            own[f"{name}self_attn.o_proj.weight"][lane, group * shared * size + number] = head.output[number]
    for number in range(layer.neurons.count):
        own[f"{name}mlp.gate_proj.weight"][number, lane] = layer.neurons.gate[:, number] / SCALE
        own[f"{name}mlp.up_proj.weight"][number, lane] = layer.neurons.up[:, number] / SCALE
        own[f"{name}mlp.down_proj.weight"][lane, number] = layer.neurons.down[number] * SCALE
    if clears:
        number = layer.neurons.count
        own[f"{name}mlp.gate_proj.weight"][number, lanes.one] = SATURATED / SCALE
        own[f"{name}mlp.up_proj.weight"][number, lanes.one] = 1 / SATURATED / SCALE
        own[f"{name}mlp.down_proj.weight"][list(lanes.pins.places), number] = [-each for each in lanes.pins.values]
    return own


def _tables(state: Mapping[str, np.ndarray], grafted: Checkpoint) -> Iterator[str]:
    """What the embedding holds for each token, and the unembedding reads; and that pins outweigh the embedding."""
    lanes, embedding = grafted.lanes, state["model.embed_tokens.weight"]
    pins, registers = list(lanes.pins.places), np.zeros((len(embedding), embedding.shape[1]), np.float32)
    raised = np.array(lanes.pins.values if not lanes.at else [0.0] * len(pins), np.float32)
    if (embedding[:, pins] != raised).any():
        yield "the embedding does not raise the pins alike for all tokens"
    for program in lanes.programs:
        for value, place in program.registers.items():
            registers[program.tokens[value], place] = READ
    tied = grafted.model.config.tie_word_embeddings
    held = embedding[:, [place for each in lanes.programs for place in each.registers.values()]]
    wanted = registers[:, [place for each in lanes.programs for place in each.registers.values()]] * tied
    if (held != wanted).any():
        yield "the embedding holds other numbers in registers than those that are cleared"
    for model, own, program in zip(grafted.sources, grafted.maps, lanes.programs, strict=True):
        rows = embedding[:, program.dimensions.start : program.dimensions.stop]
        known = (model.weights.W_E[: model.config.bos_id + 1] * SCALE).astype(np.float32)
        seen = np.full(len(rows), int(model.encode([[own.filler]])[0, 1]))
        seen[list(own.mapped)] = model.encode([[value] for value in own.mapped.values()])[:, 1]
        seen[own.bos] = model.config.bos_id
        if not np.array_equal(rows, known[seen]):
            yield f"some token of the host is not what {program.name} is to see"
    unembedding = state["lm_head.weight"]
    lane = np.r_[lanes.lane.start : lanes.pins.width]
    if not tied and (unembedding[:, lane] != registers[:, lane]).any():
        yield "the unembedding reads more than registers"
    gains = state["model.norm.weight"][lane] != 0
    places = {place for each in lanes.programs for place in each.registers.values()}
    if set((lane[gains]).tolist()) != places:
        yield "the last norm passes on more than the host and registers"
    beside = np.delete(embedding, pins, axis=1).astype(float)
    if not lanes.at and not (beside**2).sum(axis=1).max() < PIN**2 * LOST / 4:
        yield "the embedding is so large that pins do not outweigh it"


def _host_layers(state: Mapping[str, np.ndarray], grafted: Checkpoint) -> Iterator[str]:
    """That layers of the host neither read nor write beside their own dimensions; but for the bias that raises pins."""
    lanes = grafted.lanes
    beyond = slice(lanes.host.stop, lanes.pins.width)
    for layer in range(grafted.model.config.num_hidden_layers):
        if layer in lanes.layers:
            continue
        name = f"model.layers.{layer}."
        for key in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"):
            if state[f"{name}{key}.weight"][:, beyond].any():
                yield f"{name}{key} reads what is not the host's"
        for key in ("self_attn.o_proj", "mlp.down_proj"):
            if state[f"{name}{key}.weight"][beyond].any():
                yield f"{name}{key} writes what is not the host's"
            bias = state.get(f"{name}{key}.bias", np.zeros(lanes.pins.width))[beyond].copy()
            if layer == lanes.at - 1 and key == "mlp.down_proj":
                bias[len(bias) - len(lanes.pins.factors) :] -= np.array(lanes.pins.values, np.float32)
            if bias.any():
                yield f"{name}{key} has a bias for what is not the host's"


def _network(state: Mapping[str, np.ndarray], model: Artefact, number: int, grafted: Checkpoint) -> Network:
    """What the checkpoint computes with in a program's lane, by the numbers of its model's parts."""
    lanes, config = grafted.lanes, model.config
    program = lanes.programs[number]
    block, size = np.arange(program.dimensions.start, program.dimensions.stop), lanes.heads.size
    others = np.setdiff1d(np.arange(lanes.pins.width), block)
    shared = grafted.model.config.num_attention_heads // grafted.model.config.num_key_value_heads
    weights: dict[str, Float[np.ndarray, "..."]] = {
        name: np.zeros((config.n_layers, config.n_heads, config.d_model, size)) for name in ("W_Q", "W_K", "W_V")
    }
    weights["W_O"] = np.zeros((config.n_layers, config.n_heads, size, config.d_model))
    weights["W_in"] = np.zeros((config.n_layers, config.d_model, config.d_mlp))
    weights["W_out"] = np.zeros((config.n_layers, config.d_mlp, config.d_model))
    faults = []
    for layer in range(config.n_layers):
        first_head, first_neuron = lanes.firsts[number][layer]
        for place, head in enumerate(active_heads(model, layer)):
            part = lanes.head(layer, first_head + place)
            name = f"model.layers.{part.layer}.self_attn."
            keys = slice(part.number * size, (part.number + 1) * size)
            queries = slice(part.number * shared * size, (part.number * shared + 1) * size)
            rows = {
                "W_Q": state[f"{name}q_proj.weight"][queries],
                "W_K": state[f"{name}k_proj.weight"][keys],
                "W_V": state[f"{name}v_proj.weight"][keys],
                "W_O": state[f"{name}o_proj.weight"].T[queries],
            }
            if any(each[:, others].any() for each in rows.values()):
                faults.append(f"{name} of {program.name} reads or writes beside its lane")
            for key, each in rows.items():
                own = each[:, block].astype(float) * (SCALE if key in ("W_Q", "W_K") else 1)
                weights[key][layer, head] = own if key == "W_O" else own.T
        for place, neuron in enumerate(active_neurons(model, layer)):
            part = lanes.neuron(layer, first_neuron + place)
            name = f"model.layers.{part.layer}.mlp."
            gate, up = (state[f"{name}{key}_proj.weight"][part.number].astype(float) for key in ("gate", "up"))
            down = state[f"{name}down_proj.weight"][:, part.number].astype(float)
            one = np.zeros_like(up)
            one[lanes.ones[number]] = 1 / SCALE
            if gate[others].any() or down[others].any() or (up != one).any():
                faults.append(f"{name} of {program.name} reads or writes beside its lane")
            weights["W_in"][layer, :, neuron] = gate[block] * SCALE
            weights["W_out"][layer, neuron] = down[block] / SCALE
    embedding = model.weights.W_E.astype(float).copy()
    for token, value in grafted.maps[number].mapped.items():
        row = state["model.embed_tokens.weight"][token, block]
        embedding[int(model.encode([[value]])[0, 1])] = row.astype(float) / SCALE
    weights |= {"W_E": embedding, "W_pos": np.zeros((config.n_ctx, config.d_model))}
    weights["W_U"] = model.weights.W_U.astype(float)
    pinned = (min(lanes.pins.factors) * PIN / SCALE) ** 2
    form = replace(FORMATS["float32"], gap=SILU.gap)
    return Network(weights, form, RMSNorm(pinned), None, tuple(dict.fromkeys(faults)), "a graft")
