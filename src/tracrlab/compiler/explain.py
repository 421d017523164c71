"""What compact mode makes of a program before it builds anything: its representation as it is built, and rewritten."""

from __future__ import annotations

from collections.abc import Iterable

from tracrlab.compiler.compact import Passes, representations
from tracrlab.compiler.domains import infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.ir.build import build_ir
from tracrlab.compiler.ir.nodes import IR
from tracrlab.compiler.ir.rewrites.shares import by_shares
from tracrlab.compiler.robust import MOST_SUMMED
from tracrlab.craft.formats import FORMATS, Dtype
from tracrlab.model.tokenizer import checked_vocabulary
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value


def before_and_after(
    program: SOp,
    vocab: Iterable[Value],
    max_seq_len: int,
    *,
    causal: bool = False,
    passes: Iterable[str] | None = None,
    bos: str = "bos",
    pad: str = "pad",
    dtype: Dtype = "float32",
    robust: bool = False,
) -> tuple[IR, IR]:
    """The nodes of a program as they are built, and after all rewrites; the arguments are those of ``compile``.

    Raises:
        CompileError, VocabularyError, ValueError: as for compiling.
    """
    switched = Passes() if passes is None else Passes.named(passes)
    vocabulary = checked_vocabulary(vocab, bos, pad)
    analysis = infer_domains(trace_graph(program), vocabulary, max_seq_len, causal=causal)
    rewritten, _ = representations(analysis, switched, FORMATS[dtype])[0]
    if robust:
        rewritten = by_shares(rewritten, MOST_SUMMED)
    return build_ir(analysis), rewritten
