"""Which token of the host is which token of the program: a map, made by texts, and a report that one can read.

A program sees BOS, then one of its own tokens for each token of the host. Those that stand for none are its *filler*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tracrlab.errors import InjectionError
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.values import Value, value_key

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHOWN = 12  # of a list of tokens in a message


@dataclass(frozen=True)
class TokenMap:
    """The program's token for tokens of the host by id, ``bos``, and the ``filler`` for all others.

    Attributes: ``texts`` of all tokens of the host, by id; ``several``: ids of texts that hold symbols beside others.
    """

    texts: tuple[str, ...]
    mapped: Mapping[int, Value]
    filler: Value
    bos: int
    several: tuple[int, ...]

    @cached_property
    def n_filler(self) -> int:
        """How many tokens of the host are filler."""
        return len(self.texts) - len(self.mapped) - 1

    def __str__(self) -> str:
        """The map, a program's token a line."""
        ids: dict[object, list[int]] = {}
        for number, value in self.mapped.items():
            ids.setdefault(value_key(value), []).append(number)
        lines = [
            f"{abridged(self.mapped[own[0]])} is {', '.join(f'{self.texts[each]!r} ({each})' for each in own)}"
            for own in ids.values()
        ]
        lines.append(
            f"{abridged(self.filler)} is any of {self.n_filler:,} others; BOS is {self.texts[self.bos]!r} ({self.bos})"
        )
        if self.several:
            shown = ", ".join(repr(self.texts[each]) for each in self.several[:_SHOWN])
            more = ", …" if len(self.several) > _SHOWN else ""
            lines.append(f"split, as they hold several symbols: {shown}{more}")
        return "\n".join(lines)


def token_texts(tokenizer: PreTrainedTokenizerBase, size: int) -> tuple[str, ...]:
    """The text of each of ``size`` tokens, blanks included; special tokens have their names."""
    special = set(tokenizer.all_special_ids)
    pieces = tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))
    marks_words = any(str(piece).startswith("▁") for piece in pieces)
    texts = []
    for number, piece in enumerate(pieces):
        if piece is None or number in special:
            texts.append(str(piece))
        elif marks_words:  # SentencePiece: a blank is ▁, and decoding alone would take it off
            texts.append(piece.replace("▁", " "))
        else:
            texts.append(tokenizer.convert_tokens_to_string([piece]))
    return (*texts, *[""] * (size - len(texts)))


def token_map(
    tokenizer: PreTrainedTokenizerBase,
    size: int,
    vocab: Sequence[Value],
    tokens: Mapping[str, Value] | None,
    filler: Value,
) -> TokenMap:
    """The map by the texts of the host's tokens, such as ``{" (": "("}``.

    Without ``tokens``, every string of the program's vocabulary but the filler is what it says, with or without a blank
    in front.

    Raises:
        InjectionError: a text is no token of the host, a value none of the program, or the host has no BOS.
    """
    texts = token_texts(tokenizer, size)
    known = {value_key(value) for value in vocab}
    if value_key(filler) not in known:
        raise InjectionError(f"the filler {filler!r} is no token of the program ({_listed(vocab)})")
    ids: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        ids.setdefault(text, []).append(number)
    given = tokens is not None
    if tokens is None:
        own = [value for value in vocab if isinstance(value, str) and value_key(value) != value_key(filler)]
        tokens = {blank + value: value for value in own for blank in ("", " ") if blank + value in ids}
    if strangers := [value for value in tokens.values() if value_key(value) not in known]:
        raise InjectionError(f"{strangers[0]!r} is no token of the program ({_listed(vocab)})")
    if missing := [text for text in tokens if text not in ids]:
        raise InjectionError(f"no single token of the host has the text {_listed(missing)}; map what it splits it into")
    unreachable = {value_key(value) for value in vocab} - {value_key(filler)} - {value_key(v) for v in tokens.values()}
    if unreachable and not given:
        lost = [value for value in vocab if value_key(value) in unreachable]
        raise InjectionError(f"the host has no token for {_listed(lost)}; say in a map which of its tokens mean it")
    bos = tokenizer.bos_token_id
    if bos is None:
        raise InjectionError("the host's tokenizer has no BOS token; set its bos_token to one that begins every text")
    mapped = {
        number: value for text, value in tokens.items() for number in ids[text] if value_key(value) != value_key(filler)
    }
    if bos in mapped:
        raise InjectionError(f"{texts[bos]!r} begins every text, so it cannot be a token of the program, too")
    symbols = {text.strip() for text, value in tokens.items() if value_key(value) != value_key(filler)} - {""}
    several = [number for number, text in enumerate(texts) if number not in mapped and _hides(text, symbols)]
    return TokenMap(texts, mapped, filler, bos, tuple(several))


def answer_token(texts: Sequence[str], text: str) -> int:
    """The id of the token with this text.

    Raises:
        InjectionError: there is none.
    """
    if text not in texts:
        raise InjectionError(f"no single token of the host has the text {text!r} of an answer; it has to be one token")
    return texts.index(text)


def split_symbols(tokenizer: PreTrainedTokenizerBase, several: Sequence[int], texts: Sequence[str]) -> None:
    """Let a tokenizer split texts that hold several symbols: it forgets the merges that make them.

    Raises:
        InjectionError: it does not merge pairs.
    """
    import json

    from tokenizers import Tokenizer

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] != "BPE":
        raise InjectionError(
            f"a tokenizer of type {state['model']['type']} cannot be made to split "
            + _listed([texts[number] for number in several])
        )
    vocab = state["model"]["vocab"]
    unwanted = set(several)

    def makes(merge: str | list[str]) -> bool:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        return vocab.get(left + right) in unwanted

    state["model"]["merges"] = [merge for merge in state["model"]["merges"] if not makes(merge)]
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))


def _hides(text: str, symbols: set[str]) -> bool:
    """Whether a token that is not mapped hides a symbol: several, or one that is no letter or digit beside others."""
    text = "".join(text.split())
    single = {symbol for symbol in symbols if len(symbol) == 1}
    marks = {symbol for symbol in single if not symbol.isalnum()}
    only_symbols = len(text) > 1 and text not in symbols and all(character in single for character in text)
    return only_symbols or any(character in marks for character in text)


def _listed(values: Sequence[object]) -> str:
    shown = ", ".join(abridged(value) for value in values[:_SHOWN])
    return shown + (", …" if len(values) > _SHOWN else "")
