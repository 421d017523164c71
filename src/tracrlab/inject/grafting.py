"""Grafting: compiled programs as new, exact layers of an ordinary Llama checkpoint.

The stream is widened: host | programs' variables, guards, registers | pins. New layers, in front of the host's or
between them, hold program heads and neurons only and write nothing into the host's dimensions. While they run, the pins
make their norms the identity (:mod:`tracrlab.inject.pins`); the last of them clears the pins, so that the norms of the
host's layers see the host alone. Nothing turns in the dimensions that program heads read
(:mod:`tracrlab.inject.rope`). The answers end in registers that the unembedding reads
(:mod:`tracrlab.inject.answers`), and are silent where the program has no meaning (:mod:`tracrlab.inject.guard`).

The idea that a compiled program can be put into a pre-trained language model is that of Vergara-Browne and Soto
(2025), who distil it there. A graft needs no training, and is exact.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tracrlab.errors import InjectionError
from tracrlab.inject import answers as readout
from tracrlab.inject.grafted import Grafted
from tracrlab.inject.guard import N_DIMENSIONS, Guard, guarded
from tracrlab.inject.host import Host, loaded_host
from tracrlab.inject.packing import Layer, beside, packed
from tracrlab.inject.parts import SATURATED, SCALE, Stage, joined, program_stages, ready
from tracrlab.inject.pins import PIN, pins_for
from tracrlab.inject.plan import Lanes, ProgramLane
from tracrlab.inject.rope import head_shape
from tracrlab.inject.tokens import TokenMap, answer_token, split_symbols, token_map
from tracrlab.model.artefact import Artefact
from tracrlab.model.surgery.bos import constant_variable
from tracrlab.rasp.values import Value

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Insert:
    """A program to be grafted: a compiled ``model``, the host's ``tokens`` by text, ``filler``, and ``answers``.

    ``tokens``: the program's token for a text that is one token of the host; without it, those that are alike. All
    other tokens are ``filler``. ``answers``: for values of the program the text of the token that is to be said next;
    all other values are silence, and so is ``None``.
    """

    model: Artefact
    answers: Mapping[Value, str]
    filler: Value
    tokens: Mapping[str, Value] | None = field(default=None)


def graft(
    model: Artefact,
    host: str | PathLike[str] | Any,
    *,
    answers: Mapping[Value, str],
    filler: Value,
    tokens: Mapping[str, Value] | None = None,
    at: int = 0,
    split: bool = True,
    tokenizer: Any = None,
) -> Grafted:
    """Graft a compiled program into a causal language model of the Llama architecture.

    Arguments:
        model: causal, in float32; ``mode="compact"`` makes small ones.
        host: the folder of a checkpoint, or a ``LlamaForCausalLM``, then with its ``tokenizer``.
        answers: for values of the program the text of the token that is to be said next. All others are silence.
        filler: the program's token for all tokens of the host that are not named.
        tokens: the program's token for texts that are one token of the host, such as ``{" (": "("}``. Without it,
            texts of the program's own tokens, with or without a blank in front.
        at: how many of the host's layers come before the program's.
        split: let the tokenizer split what hides symbols in a token, such as ``])``. Otherwise that is filler.
        tokenizer: of a host that is given as a model; it needs a BOS token, which it puts in front of every text.

    Returns:
        the graft, whose ``model`` is an ordinary ``LlamaForCausalLM``. Where the first token is BOS and no other is, up
        to ``max_seq_len`` tokens after it, the token of the program's answer is the next; where the program is silent,
        and everywhere else, the host speaks as before.

    Raises:
        InjectionError: it cannot be exact; says why.
        MissingDependencyError: Transformers or PyTorch is not installed.
    """
    return graft_all([Insert(model, answers, filler, tokens)], host, at=at, split=split, tokenizer=tokenizer)


def graft_all(
    inserts: Sequence[Insert],
    host: str | PathLike[str] | Any,
    *,
    at: int = 0,
    split: bool = True,
    tokenizer: Any = None,
) -> Grafted:
    """Graft several programs side by side; see :func:`graft`. Where two answer, what is said is one of the answers."""
    if not inserts:
        raise InjectionError("there is no program to graft")
    base = loaded_host(host, tokenizer)
    if not 0 <= at <= base.config.num_hidden_layers:
        raise InjectionError(f"at={at} is no place between the {base.config.num_hidden_layers} layers of the host")
    models = [ready(each.model) for each in inserts]
    tokenizer, size = copy.deepcopy(base.tokenizer), base.config.vocab_size
    maps = [token_map(tokenizer, size, each.model.config.vocab, each.tokens, each.filler) for each in inserts]
    programs = _program_lanes(inserts, models, maps, base.config.hidden_size)
    own, gain = _stages(inserts, models, programs, base, tied=base.config.tie_word_embeddings)
    end = max(max(each.registers.values()) for each in programs) + 1
    stages, firsts = beside(own, end - base.config.hidden_size)
    # a neuron of the last layer is for the pins
    new = packed(stages, base.config.num_key_value_heads, base.config.intermediate_size - 1)
    shape = head_shape(
        base.config,
        max(head.keys.shape[1] for stage in stages for head in stage.heads),
        max(head.values.shape[1] for stage in stages for head in stage.heads),
    )
    lanes = Lanes(
        range(base.config.hidden_size),
        programs,
        pins_for(end, base.config.num_attention_heads),
        at,
        tuple(new),
        shape,
        tuple(
            each.dimensions.start + constant_variable(model, 1.0).start
            for each, model in zip(programs, models, strict=True)
        ),
        firsts,
    )
    if split and any(each.several for each in maps):
        hidden = sorted({number for each in maps for number in each.several})
        split_symbols(tokenizer, hidden, maps[0].texts)
    module = _module(base, lanes)
    _fill(module, base, lanes, _embedded(models, maps, programs, size, lanes), gain)
    begin_with_bos(tokenizer)
    return Grafted(module, tokenizer, lanes, tuple(models), tuple(maps), base)


def begin_with_bos(tokenizer: Any) -> None:
    """Let a tokenizer put BOS in front of every text, if it does not."""
    if tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]:
        return
    from tokenizers.processors import TemplateProcessing

    bos, number = tokenizer.bos_token, tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, number)]
    )


def _program_lanes(
    inserts: Sequence[Insert], models: Sequence[Artefact], maps: Sequence[TokenMap], start: int
) -> tuple[ProgramLane, ...]:
    """The dimensions of each program, one after the other, from ``start`` on."""
    lanes = []
    for insert, model, own in zip(inserts, models, maps, strict=True):
        values = readout.checked_answers(insert.model, insert.answers)
        variables = range(start, start + model.config.d_model)
        guard = range(variables.stop, variables.stop + N_DIMENSIONS)
        registers = {value: guard.stop + number for number, value in enumerate(values)}
        tokens = {value: answer_token(own.texts, text) for value, text in values.items()}
        lanes.append(ProgramLane(model.output_name, variables, guard, registers, tokens))
        start = guard.stop + len(registers)
    return tuple(lanes)


def _stages(
    inserts: Sequence[Insert], models: Sequence[Artefact], programs: Sequence[ProgramLane], base: Host, *, tied: bool
) -> tuple[list[list[Stage]], float]:
    """What each program's stages compute, in the dimensions of the lane; and the gain of the registers at the end."""
    first = base.config.hidden_size
    width = max(max(each.registers.values()) for each in programs) + 1 - first
    lanes, typical = [], 1.0
    for model, program in zip(models, programs, strict=True):
        start = program.dimensions.start - first
        one, bos = (start + constant_variable(model, value).start for value in (1.0, 0.0))
        guard = Guard(one, bos, program.guard.start - first, width, model.config.max_seq_len)
        registers = {value: place - first for value, place in program.registers.items()}
        neurons, typical = readout.read_out(model, start, registers, guard)
        own = program_stages(model, start, width) or [Stage((), joined([], width))]
        if tied:
            cleared = readout.clearing(list(registers.values()), one, width)
            own[0] = Stage(own[0].heads, joined([own[0].neurons, cleared], width))
        if (above := readout.beyond(model, start, registers, guard)) is not None:
            own.append(Stage((), above))
        # no trace of the program but in its registers: the host's norms see what they saw, whatever the lane holds
        used = [*range(start, start + model.config.d_model), guard.share, guard.mark, guard.dead, guard.above]
        last = joined([neurons, readout.clearing(used, one, width)], width)
        lanes.append(guarded(own, guard, last, base.config.num_key_value_heads))
    return lanes, readout.final_gain(typical)


def _embedded(
    models: Sequence[Artefact], maps: Sequence[TokenMap], programs: Sequence[ProgramLane], size: int, lanes: Lanes
) -> np.ndarray:
    """What the embedding of each token of the host holds in the lane [token, dimension]."""
    rows = np.zeros((size, len(lanes.lane)))
    for model, own, program in zip(models, maps, programs, strict=True):
        place = slice(program.dimensions.start - len(lanes.host), program.dimensions.stop - len(lanes.host))
        table = model.weights.W_E  # it has no position embedding any more
        ids = model.encode([[value] for value in (own.filler, *own.mapped.values())])[:, 1]
        rows[:, place] = table[ids[0]]
        rows[list(own.mapped), place] = table[ids[1:]]
        rows[own.bos, place] = table[model.config.bos_id]
    return rows * SCALE


def _module(base: Host, lanes: Lanes) -> Any:
    """An empty checkpoint of the new shape."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_dict(base.config.to_dict())
    settings = {
        "hidden_size": lanes.pins.width,
        "head_dim": lanes.heads.size,
        "num_hidden_layers": base.config.num_hidden_layers + len(lanes.new),
        "rope_parameters": lanes.heads.parameters(base.config.rope_parameters),
        "rms_norm_eps": base.config.rms_norm_eps * base.config.hidden_size / lanes.pins.width,
        "mlp_bias": bool(base.config.mlp_bias or lanes.at),
        "layer_types": None,
        "dtype": "float32",
    }
    for name, value in settings.items():
        setattr(config, name, value)
    return LlamaForCausalLM(config).eval()


def _fill(module: Any, base: Host, lanes: Lanes, rows: np.ndarray, gain: float) -> None:
    """Put host and programs in place."""
    import torch

    own = {name: value.detach().float() for name, value in base.model.state_dict().items()}
    new = {name: torch.zeros_like(value) for name, value in module.state_dict().items()}
    d, width = base.config.hidden_size, lanes.pins.width
    quieter = sqrt(d / width)
    embedding = new["model.embed_tokens.weight"]
    embedding[:, :d] = own["model.embed_tokens.weight"]
    embedding[:, lanes.lane.start : lanes.lane.stop] = torch.as_tensor(rows, dtype=torch.float32)
    unembedding = new["lm_head.weight"]
    unembedding[:, :d] = own["lm_head.weight"]
    if base.config.tie_word_embeddings:
        unembedding = embedding
    norm = new["model.norm.weight"]
    norm[:d] = own["model.norm.weight"] * quieter
    for program in lanes.programs:
        for value, register in program.registers.items():
            unembedding[program.tokens[value], register] = readout.READ
            norm[register] = gain
    for layer in range(base.config.num_hidden_layers):
        later = layer if layer < lanes.at else layer + len(lanes.new)
        _fill_host_layer(own, new, f"model.layers.{layer}.", f"model.layers.{later}.", lanes, quieter)
    pinned = torch.tensor(lanes.pins.values)
    if lanes.at:
        new[f"model.layers.{lanes.at - 1}.mlp.down_proj.bias"][list(lanes.pins.places)] = pinned
    else:
        embedding[:, list(lanes.pins.places)] = pinned
    shared = base.config.num_attention_heads // base.config.num_key_value_heads
    for layer, what in zip(lanes.layers, lanes.new, strict=True):
        _fill_new_layer(new, f"model.layers.{layer}.", what, lanes, shared)
    _clear_pins(new, lanes)
    if base.config.tie_word_embeddings:
        new["lm_head.weight"] = embedding
    if broken := [name for name, value in new.items() if not value.isfinite().all()]:
        raise InjectionError(f"{broken[0]} would hold numbers beyond the range of float32")
    module.load_state_dict(new)
    module.tie_weights()


def _fill_host_layer(
    own: dict[str, torch.Tensor], new: dict[str, torch.Tensor], source: str, goal: str, lanes: Lanes, quieter: float
) -> None:
    """A layer of the host, which reads and writes its own dimensions and has a smaller share of the mean square."""
    d, shape = len(lanes.host), lanes.heads
    for norm in ("input_layernorm", "post_attention_layernorm"):
        new[f"{goal}{norm}.weight"][:d] = own[f"{source}{norm}.weight"] * quieter
    for name, places, scale in (
        ("q", shape.turning, shape.query_scale), ("k", shape.turning, 1.0), ("v", np.arange(shape.own), 1.0),
    ):  # fmt: skip
        for kind in ("weight", "bias"):
            key = f"self_attn.{name}_proj.{kind}"
            if source + key in own:
                old = own[source + key] * scale
                rows = new[goal + key].view(-1, shape.size, *new[goal + key].shape[1:])
                old = old.view(-1, shape.own, *old.shape[1:])
                if kind == "weight":
                    rows[:, places, :d] = old
                else:
                    rows[:, places] = old
    out = new[f"{goal}self_attn.o_proj.weight"]
    old = own[f"{source}self_attn.o_proj.weight"].view(d, -1, shape.own)
    out.view(out.shape[0], -1, shape.size)[:d, :, : shape.own] = old
    if f"{source}self_attn.o_proj.bias" in own:
        new[f"{goal}self_attn.o_proj.bias"][:d] = own[f"{source}self_attn.o_proj.bias"]
    for name in ("gate", "up"):
        new[f"{goal}mlp.{name}_proj.weight"][:, :d] = own[f"{source}mlp.{name}_proj.weight"]
        if f"{source}mlp.{name}_proj.bias" in own:
            new[f"{goal}mlp.{name}_proj.bias"][:] = own[f"{source}mlp.{name}_proj.bias"]
    new[f"{goal}mlp.down_proj.weight"][:d] = own[f"{source}mlp.down_proj.weight"]
    if f"{source}mlp.down_proj.bias" in own:
        new[f"{goal}mlp.down_proj.bias"][:d] = own[f"{source}mlp.down_proj.bias"]


def _fill_new_layer(new: dict[str, torch.Tensor], goal: str, layer: Layer, lanes: Lanes, shared: int) -> None:
    """A layer of program heads, the first of each group, and neurons; ``shared`` heads have one group's keys."""
    import torch

    shape, lane = lanes.heads, slice(lanes.lane.start, lanes.lane.stop)

    def put(key: str, rows: Any, columns: Any, matrix: np.ndarray) -> None:
        new[goal + key][rows, columns] = torch.as_tensor(matrix, dtype=torch.float32)

    for norm in ("input_layernorm", "post_attention_layernorm"):
        new[f"{goal}{norm}.weight"][:] = PIN
    for group, head in enumerate(layer.heads):
        still = shape.still[: head.keys.shape[1]]
        for row, column, number in zip(still, head.queries.T, head.keys.T, strict=True):
            put(
                "self_attn.q_proj.weight",
                group * shared * shape.size + int(row),
                lane,
                column * sqrt(shape.size) / SCALE,
            )
            put("self_attn.k_proj.weight", group * shape.size + int(row), lane, number / SCALE)
        count = head.values.shape[1]
        begin, out = group * shape.size, group * shared * shape.size
        put("self_attn.v_proj.weight", slice(begin, begin + count), lane, head.values.T)
        put("self_attn.o_proj.weight", lane, slice(out, out + count), head.output.T)
    count = layer.neurons.count
    put("mlp.gate_proj.weight", slice(0, count), lane, layer.neurons.gate.T / SCALE)
    put("mlp.up_proj.weight", slice(0, count), lane, layer.neurons.up.T / SCALE)
    put("mlp.down_proj.weight", lane, slice(0, count), layer.neurons.down.T * SCALE)


def _clear_pins(new: dict[str, torch.Tensor], lanes: Lanes) -> None:
    """One more neuron in the last new layer, which is exactly 1 at every token, takes the pins off."""
    import torch

    last = lanes.new[-1]
    goal, number = f"model.layers.{lanes.layers.stop - 1}.mlp.", last.neurons.count
    one = lanes.one
    new[f"{goal}gate_proj.weight"][number, one] = SATURATED / SCALE
    new[f"{goal}up_proj.weight"][number, one] = 1 / SATURATED / SCALE
    new[f"{goal}down_proj.weight"][list(lanes.pins.places), number] = -torch.tensor(lanes.pins.values)
