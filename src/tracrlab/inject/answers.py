"""The read-out: answers of a program become registers that are exactly zero, or make their token win.

A register is a dimension that the unembedding reads. Its neuron reads the compiled unembedding, whose numbers are right
within a bound (:mod:`tracrlab.model.readout`), and its gate is so steep that silu is exactly zero in float32 where the
answer is another one: e^104 is beyond the range of float32.

- A one-hot answer k leads by a quarter: gate = v[k] − 1/2.
- Of a number x, off by less than 0.45, answers are consecutive whole numbers, and smaller ones mean silence:
  gate = x − k + 1/2 and up = k + 1/2 − x. Below k the gate is closed, at k both are positive; above it the product is
  negative, which keeps k from a token that another register names. So one neuron is enough where ReLU would need two.
  Values above the answers are silence, too: neurons of a stage before, where there are such values, say where.
- ``None`` is silence for a one-hot answer, whose numbers are all a quarter or less then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tracrlab.craft.spaces import Layout
from tracrlab.errors import InjectionError
from tracrlab.inject.guard import Guard
from tracrlab.inject.parts import SATURATED, SCALE, Neurons, joined
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.values import Value, value_key

STEEP = 2.0**12  # of gates: 0.05, what the bound of a number leaves, is 204 then, and silu(-204) is zero
WORST = 0.05  # the least that a gate is above zero at its answer, and below elsewhere
BOOST = 2.0**30  # of the logit of an answer at its best, over the root mean square of the host's last stream
READ = SCALE  # what the unembedding holds for a register: small, as it is in a tied embedding, too


def checked_answers(model: Artefact, answers: Mapping[Value, str]) -> dict[Value, str]:
    """The answers that a read-out can give for a model.

    Raises:
        InjectionError: a value is none of the model's, or its numbers are not as they have to be.
    """
    if not answers:
        raise InjectionError("there are no answers; say which value of the program is which token, as in {1: ' yes'}")
    output = model.output
    known = {value_key(value) for value in output.values}
    if strangers := [value for value in answers if value_key(value) not in known]:
        shown = ", ".join(map(repr, output.values[:12])) + (", …" if len(output.values) > 12 else "")
        raise InjectionError(f"{strangers[0]!r} is no value of {model.output_name}; there are {shown}")
    if output.layout is Layout.SCALAR:
        if output.nullable:
            raise InjectionError(
                f"{model.output_name} may be None; give it a number that means silence instead, such as 0"
            )
        asked = sorted(float(value) for value in answers if isinstance(value, int | float))
        between = [number for number in output.numbers.tolist() if asked[0] - 1 < number < asked[-1] + 1]
        if between != asked or asked != [asked[0] + step for step in range(len(asked))]:
            raise InjectionError(
                f"answers that are numbers have to be consecutive whole numbers, and other values of "
                f"{model.output_name} less or more by 1 at least: not {asked}; let the program return such codes"
            )
    return dict(answers)


def beyond(model: Artefact, start: int, answers: Iterable[Value], guard: Guard) -> Neurons | None:
    """A neuron that says where a number is above all answers, if there are such values; exactly zero elsewhere."""
    numbers = [float(value) for value in answers if isinstance(value, int | float)]
    if model.output.layout is not Layout.SCALAR or not (model.output.numbers > max(numbers)).any():
        return None
    gate, up, down = np.zeros((guard.width, 1)), np.zeros((guard.width, 1)), np.zeros((1, guard.width))
    gate[start : start + model.config.d_model, 0] = model.weights.W_U[:, 0]
    gate[guard.one] -= max(numbers) + 0.5
    up[guard.one], down[0, guard.above] = 1, 1 / STEEP
    return Neurons(STEEP * gate, up, down)


def read_out(model: Artefact, start: int, registers: Mapping[Value, int], guard: Guard) -> tuple[Neurons, float]:
    """Neurons that write a register for each answer, in a lane in which the model begins at ``start``.

    The second value is what a register holds at its answer, where nothing is off.
    """
    width, output, size = guard.width, model.output, model.config.d_model
    unembedding = np.zeros((width, model.weights.W_U.shape[1]))
    unembedding[start : start + size] = model.weights.W_U
    one = np.zeros(width)
    one[guard.one] = 1
    scalar = output.layout is Layout.SCALAR
    reach = _reach(model)
    groups = []
    for value, register in registers.items():
        if scalar:
            code = float(value)  # type: ignore[arg-type]  # as checked_answers has seen
            gate = unembedding[:, 0] + (0.5 - code) * one
            up = (code + 0.5) * one - unembedding[:, 0]
            gate[guard.above] -= reach / WORST
        else:
            gate, up = unembedding[:, output.places[value_key(value)]] - 0.5 * one, one
        for dimension, weight in guard.silencing(reach).items():
            gate[dimension] += weight
        down = np.zeros((1, width))
        down[0, register] = 1 / STEEP
        groups.append(Neurons(STEEP * gate[:, None], up[:, None].copy(), down))
    return joined(groups, width), 0.25


def _reach(model: Artefact) -> float:
    """More than a gate can be above zero: a power of two."""
    numbers = model.output.numbers if model.output.layout is Layout.SCALAR else np.ones(1)
    spread = float(numbers.max() - min(numbers.min(), 0.0)) if len(numbers) else 1.0
    return float(2.0 ** np.ceil(np.log2(spread + 4)))


def clearing(registers: list[int], one: int, width: int) -> Neurons:
    """Neurons that take off registers what a tied embedding holds there: silu(64) is 64, so they multiply."""
    gate, up, down = (
        np.zeros((width, len(registers))),
        np.zeros((width, len(registers))),
        np.zeros((len(registers), width)),
    )
    gate[one] = SATURATED
    for number, register in enumerate(registers):
        up[register, number] = 1 / SATURATED
        down[number, register] = -1
    return Neurons(gate, up, down)


def final_gain(typical: float) -> float:
    """The weight of the last norm at a register for which the unembedding holds READ."""
    return BOOST / (typical * SCALE * READ)
