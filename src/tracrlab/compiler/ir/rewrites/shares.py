"""Counts that nothing has to magnify.

Attention is an average, so a count w has to be told from the share of it that something gets. If BOS gets nearly all,
each selected position adds the same tiny share to what is read, and a value as large as its inverse makes a count of
it, exactly, but with a weight that magnifies all that is not exact. If BOS weighs as much as each selected position,

    share of BOS = 1 / (1 + w),

which tells w without any large number (Tracr paper, appendix D.2). What reads w is a function of this share: an MLP
computes it by steps, of which no two are closer than ``1 / (n (n + 1))`` for n positions.
"""

from __future__ import annotations

from tracrlab.compiler.ir.nodes import IR, IRNode, Share, Total
from tracrlab.compiler.ir.pool import Pool, rewritten


def by_shares(ir: IR, most: int) -> IR:
    """The same program with counts of more than ``most`` positions told from the share of attention that BOS keeps."""

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        if type(renewed) is not Total or renewed.source is not None or renewed.pattern.longest <= most:
            return renewed
        return Share(renewed.place, renewed.name, renewed.values, renewed.pattern, None)

    return rewritten(ir, rewrite)
