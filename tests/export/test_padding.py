"""Every export answers the same in a padded batch as alone."""

from __future__ import annotations

import numpy as np
import pytest

import tracrlab
from benchmarks.export_agreement import TARGETS
from tracrlab.errors import MissingDependencyError
from tracrlab.rasp import Comparison, SOp, indices, select, selector_width, tokens

pytestmark = pytest.mark.frameworks

INPUTS = ["b", "abcb", "", "cc", "acb"]
COUNTS: dict[str, SOp] = {
    "all that are the same": selector_width(select(tokens, tokens, Comparison.EQ)),
    "all that are another or stand elsewhere": selector_width(
        ~select(tokens, tokens, Comparison.EQ) | ~select(indices, indices, Comparison.EQ)
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("target", TARGETS)
def test_padding_changes_nothing(target: str, count: str) -> None:
    """Logits of counts, which anything attended too much would change."""
    model = tracrlab.compile(COUNTS[count], vocab="abc", max_seq_len=4, causal=TARGETS[target].only_causal)
    try:
        logits = TARGETS[target].logits(model)
    except MissingDependencyError as missing:
        pytest.skip(str(missing))
    batch = model.encode(INPUTS)
    padded = logits(batch)
    for word, ids, row in zip(INPUTS, batch, padded, strict=True):
        own = slice(1, 1 + len(word))
        alone = logits(ids[None, : own.stop])[0]
        np.testing.assert_allclose(row[own], alone[own], atol=1e-5, err_msg=word)
    assert model.readout().decode(padded, batch) == model.run_batch(INPUTS)
