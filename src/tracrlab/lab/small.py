"""The library's programs at sizes at which every input can be run: their vocabularies, and a length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tracrlab.errors import LabError
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.values import Value

LENGTH = 4  # two tokens before and two after the middle: enough for every program to do what it is for
VOCABULARIES: Mapping[str, str] = {
    **dict.fromkeys(("count", "count_prevs", "contains", "frac", "frac_prevs", "majority"), "wxy"),
    **dict.fromkeys(("length", "hist", "count_less_freq", "reverse", "shift_by"), "abc"),
    **dict.fromkeys(("palindrome", "detect_pattern", "induction"), "abc"),
    **dict.fromkeys(("hist2", "sort_freq", "most_freq"), "abcd"),
    **dict.fromkeys(("sort", "sort_unique"), "4312"),
    **dict.fromkeys(("shuffle_dyck", "dyck", "dyck_ptf"), "(){}"),
    "parity": "01",
    "pair_balance": "()a",
    "addition": "19+",
}


def settled(
    program: SOp | str, vocab: Iterable[Value] | None, max_seq_len: int | None
) -> tuple[str, SOp, tuple[Value, ...], int]:
    """The name of a program, the program, its vocabulary and length; those of the library have all of them.

    Raises:
        LabError: the library has no such program, or a program of one's own comes without vocabulary or length.
    """
    if isinstance(program, str):
        if program not in PROGRAMS:
            raise LabError(f"there is no program {program!r} in the library; there are {', '.join(PROGRAMS)}")
        name, built = program, PROGRAMS[program].build()
        vocab, max_seq_len = vocab or VOCABULARIES[program], max_seq_len or LENGTH
    else:
        name, built = program.name or "program", program
    if vocab is None or max_seq_len is None:
        raise LabError(
            f"the case of {name} needs a vocab and a max_seq_len; only programs of the library have their own"
        )
    return name, built, tuple(vocab), max_seq_len
