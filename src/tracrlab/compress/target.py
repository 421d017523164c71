"""What compressed models are compared with: the compiled model's forward pass on a batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tracrlab.compress.forward import FrozenModel, Pass, forward
from tracrlab.compress.sharing import Sharing


@dataclass(frozen=True, eq=False)
class Target:
    """What the compiled model does on a batch of token ids [b, p].

    Attributes: ``answered`` [b, p] where there is a token, so that an answer counts; ``present`` [b, p] where there is
    a token or BOS; ``run`` its forward pass.
    """

    ids: Tensor
    answered: Tensor
    present: Tensor
    run: Pass

    def rows(self, chosen: Tensor) -> Target:
        """The target of some rows of the batch."""
        run = Pass(
            self.run.logits[chosen],
            tuple(each[chosen] for each in self.run.written),
            tuple(each[chosen] for each in self.run.residuals),
        )
        return Target(self.ids[chosen], self.answered[chosen], self.present[chosen], run)


def compiled_target(frozen: FrozenModel, ids: Tensor) -> Target:
    """What the compiled model does on token ids [b, p]."""
    present = ids != frozen.config.pad_id
    answered = present.clone()
    answered[:, 0] = False
    return Target(ids, answered, present, forward(frozen, Sharing.ALL, frozen.identity, ids))
