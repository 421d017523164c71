"""The tokenizer of a model for Hugging Face: texts of tokens to the model's ids, BOS in front."""

from __future__ import annotations

import re
from typing import Any

from tracrlab.errors import ExportError
from tracrlab.export.texts import distinct_texts
from tracrlab.model.config import ModelConfig


def word_tokenizer(config: ModelConfig, answers: tuple[str, ...] = ()) -> Any:
    """A ``PreTrainedTokenizerFast`` whose words are the texts of the vocabulary, with the ids of ``config``.

    Words are separated by blanks; where every token is one character, blanks are optional. A word that is not in the
    vocabulary is an error. There is no maximal length: pipelines would cut longer inputs without a word.

    For a language model, the ``answers`` have the ids after those, as "answer …", which no input can hold. Then a word
    that is not in the vocabulary has the id after all, for which the model has no embedding, so that running it is the
    error: TransformerLens, to see whether BOS is put in front, encodes a word that the vocabulary may not have.

    Raises:
        ExportError: two tokens have the same text, or one has none.
    """
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    texts = distinct_texts((*config.vocab, config.bos, config.pad), "tokens")
    words = texts[: len(config.vocab)]
    if "" in words:
        raise ExportError("the vocabulary holds an empty text, which a tokenizer cannot find in an input")
    if answers:
        texts = distinct_texts((*texts, *(f"answer {text}" for text in answers), _UNKNOWN), "words")
    ids = {text: number for number, text in enumerate(texts)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=_UNKNOWN) if answers else WordLevel(ids))
    tokenizer.pre_tokenizer = Split(Regex(_pattern(words)), behavior="removed", invert=True)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{_BOS} $A", pair=None, special_tokens=[(_BOS, config.bos_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=config.bos,
        pad_token=config.pad,
        unk_token=_UNKNOWN if answers else None,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,  # a word that looks like BOS is no BOS
    )


_BOS = "BOS"  # its name in the template
_UNKNOWN = "unknown word"


def _pattern(words: tuple[str, ...]) -> str:
    """What counts as a word: a text with blanks inside as a whole, else a character, or all up to the next blank."""
    if all(len(word) == 1 for word in words):
        return r"[\s\S]" if any(map(str.isspace, words)) else r"\S"
    with_blanks = sorted((word for word in words if re.search(r"\s", word)), key=len, reverse=True)
    return "|".join([*(rf"(?<!\S){_escaped(word)}(?!\S)" for word in with_blanks), r"\S+"])


def _escaped(word: str) -> str:
    """The word in a regular expression, each character by its code: engines differ in what they escape."""
    return "".join(rf"\x{{{ord(character):x}}}" for character in word)
