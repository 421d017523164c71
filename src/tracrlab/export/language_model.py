"""The head of a language model for a compiled model: logits over its vocabulary and, after it, its answers.

A head of GPT-2 has a matrix only, while the logits of a class readout have offsets. The last layer norm supplies them:
with a weight of 0 and a bias of 1 at *balance*, which no logit reads, that dimension is 1 everywhere.
"""

from __future__ import annotations

import numpy as np

from tracrlab.export.layer_norm import GAIN, NormedWeights
from tracrlab.shapes import Float

_BELOW = 100.0  # how far the logits of tokens are below anything that the logit of a right answer can be


def language_model_arrays(w: NormedWeights, balance: int) -> dict[str, Float[np.ndarray, "..."]]:
    """Parameters by the names of GPT-2: embeddings of tokens and answers, the last layer norm, and the head.

    Answers are numbered after the tokens, and their embeddings are zero. The logits of tokens are one constant, far
    below that of the right answer, which is not less than minus the largest offset: it is positive where answers are
    one-hot; on a parabola (:func:`tracrlab.model.readout.class_readout`) the offset of the outermost number is larger.
    ``balance`` is the place of the dimension that receives minus the sum of all others.
    """
    n_tokens, n_answers = len(w.W_E), len(w.b_U)
    gain, bias = np.full(w.width, GAIN), np.zeros(w.width)
    gain[balance], bias[balance] = 0, 1
    below = -np.abs(w.b_U).max(initial=0) - _BELOW
    head = np.concatenate([np.zeros((w.width, n_tokens)), w.W_U], axis=1)
    head[balance] = np.concatenate([np.full(n_tokens, below), w.b_U])
    return {
        "transformer.wte.weight": np.concatenate([w.W_E, np.zeros((n_answers, w.width))]),
        "transformer.ln_f.weight": gain,
        "transformer.ln_f.bias": bias,
        "lm_head.weight": head.T,
    }
