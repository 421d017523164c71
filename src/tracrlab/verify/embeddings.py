"""What the embedding puts into a variable, against what it is claimed to put there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.craft.claims import EmbeddingClaim
from tracrlab.craft.formats import NumberFormat
from tracrlab.errors import VerificationError
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import ModelVariable
from tracrlab.shapes import Float
from tracrlab.verify.residual import Deviation, Held, Violated, table_deviation


@dataclass(frozen=True, eq=False)
class EmbeddingWeights:
    """The columns of the embeddings that belong to a variable, as float64, and the format they are added in."""

    by_token: Float[np.ndarray, "token width"]
    by_position: Float[np.ndarray, "position width"]
    number_format: NumberFormat


def embedded_variable(
    entry: ModelVariable, claim: EmbeddingClaim, weights: EmbeddingWeights, config: ModelConfig
) -> Held:
    """What is known of a variable after the embedding.

    Raises:
        VerificationError: the claim does not fit the model.
        Violated: the row of padding differs, which nothing below looks at.
    """
    width, bos, n_tokens = entry.variable.width, config.bos_id, len(config.vocab)
    by_token = _table(entry.name, claim.by_token, (config.d_vocab, width))
    by_position = _table(entry.name, claim.by_position, (config.n_ctx, width))
    token_off, position_off = np.abs(weights.by_token - by_token), np.abs(weights.by_position - by_position)
    if token_off[config.pad_id].any():
        raise Violated("the row of padding is not as claimed")
    sums = weights.by_token.any() and weights.by_position.any()
    size = np.abs(weights.by_token).max(axis=0) + np.abs(weights.by_position).max(axis=0)
    rounding = 2 * weights.number_format.roundoff * size * sums
    words, places = by_token[:n_tokens], by_position[1:]
    worst_word, worst_place = token_off[:n_tokens].max(axis=0, initial=0), position_off[1:].max(axis=0, initial=0)
    if not places.any():
        deviation = table_deviation(words, token_off[:n_tokens] + worst_place + rounding)
    elif not words.any():
        deviation = table_deviation(places, position_off[1:] + worst_word + rounding)
    else:
        deviation = Deviation(worst_word + worst_place + rounding, np.zeros(width))
    ideal_at_bos = entry.variable.at_bos
    bos_error = np.abs(by_token[bos] + by_position[0] - ideal_at_bos) + token_off[bos] + position_off[0] + rounding
    unchanging = bool((words == words[:1]).all() and (places == places[:1]).all())
    constant = words[:1].sum(axis=0) + places[0] if unchanging else None
    return Held(entry, deviation, ideal_at_bos, bos_error, constant)


def _table(
    name: str, claimed: Float[np.ndarray, "row width"] | None, shape: tuple[int, int]
) -> Float[np.ndarray, "row width"]:
    if claimed is None:
        return np.zeros(shape)
    if claimed.shape != shape:
        raise VerificationError(f"the claim about {name} does not fit the model")
    return claimed.astype(float)
