"""A count, or sum, of what is selected as a sum over alternatives.

Each pair of positions satisfies one of them at most, so nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tracrlab.compiler.ir.nodes import Affine, IRNode, Match, Total
from tracrlab.compiler.ir.pool import Pool
from tracrlab.compiler.ir.widths import most_selected, possible_sums


def added_up(pool: Pool, total: Total, alternatives: Sequence[Sequence[Match]], longest: int) -> IRNode:
    """The sum over alternatives, in the place of a total over what satisfies any of them.

    The total itself where it sums numbers of which some alternative could have too many sums.
    """
    parts = []
    for number, matches in enumerate(alternatives, start=1):
        most = most_selected(matches, longest)
        own: Sequence[int] | None = range(most + 1)
        if total.source is not None:
            assert total.source.numbers is not None
            own = possible_sums(list(map(int, total.source.numbers)), most)
        if own is None:
            return total
        only = len(alternatives) == 1
        name, values = (total.name, total.values) if only else (f"{total.name}.{number}", tuple(own))
        pattern = pool.pattern(matches, range(most + 1), counts=True)
        parts.append(pool.add(Total(total.place, name, values, pattern, total.source)))
    if len(parts) == 1:
        return parts[0]
    return Affine(total.place, total.name, total.values, tuple(parts), (Fraction(1),) * len(parts), Fraction(0))
