"""A model of Hugging Face Transformers with its tokenizer and card, and the folder that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tracrlab.errors import ExportError
from tracrlab.export.card import model_card
from tracrlab.export.kinds import has_own_code, is_language_model
from tracrlab.export.texts import distinct_texts
from tracrlab.export.wordlevel import word_tokenizer
from tracrlab.files import replaced_folder
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate
from tracrlab.model.reading import folder_named, writing
from tracrlab.model.readout import ClassReadout
from tracrlab.shapes import Float, Int
from tracrlab.verify.verifier import verify

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


MOST_PARAMETERS = 10**6  # of a model that is verified for its card without being asked: a second or two at most


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A ``model`` of Transformers and its ``tokenizer``, made from the compiled model ``source``.

    ``certificate``: what was proven of the model itself, if it was verified.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast = field(repr=False)
    source: Artefact = field(repr=False)
    certificate: Certificate | None = field(default=None, repr=False)

    @property
    def card(self) -> str:
        """The model card in Markdown: what the model computes, on which inputs, what is proven, and the circuit."""
        return self._card(None)

    def logits(self, ids: Int[np.ndarray, "batch position"]) -> Float[np.ndarray, "batch position class"]:
        """The logits of the answers for token ids that begin with BOS and are padded at the end; padding is masked."""
        import torch

        on_device = torch.as_tensor(ids, device=self.model.device)
        with torch.no_grad():
            output = self.model(input_ids=on_device, attention_mask=on_device != self.model.config.pad_token_id)
        logits: np.ndarray = output.logits[..., -self.model.config.num_labels :].double().cpu().numpy()
        return logits

    def save_pretrained(self, path: str | PathLike[str], *, certificate: Certificate | None = None) -> None:
        """Write the folder ``path``, made if need be, that ``from_pretrained`` of Transformers' ``Auto`` classes reads.

        It is the old or the new one whenever the process is killed, unless the system cannot exchange folders
        (:mod:`tracrlab.files.folder`); other files in it stay.

        Arguments:
            certificate: what ``source.verify()`` found, for the card; what ``source`` carries unless given. If it
                carries none, models of up to a million parameters, which takes a second or two at most, are verified
                here; the card of a larger one says that it was not.

        Raises:
            ExportError: the certificate is that of another model.
            ModelFileError: the folder cannot be written.
        """
        folder = folder_named(path)
        card = self._card(certificate)
        with writing(folder), replaced_folder(folder, last="config.json") as new:
            self.model.save_pretrained(new)
            self.tokenizer.save_pretrained(new)
            (new / "README.md").write_text(card, encoding="utf-8")
            if self.certificate is not None:
                (new / "certificate.json").write_text(self.certificate.to_json(), encoding="utf-8")

    def _card(self, certificate: Certificate | None) -> str:
        config = self.source.config
        expected = (self.source.output_name, len(config.vocab), config.max_seq_len)
        if certificate is None:
            certificate = self.certificate
        if certificate is None:
            certificate = self._source_certificate()
        elif (certificate.model, certificate.vocabulary_size, certificate.max_seq_len) != expected:
            raise ExportError(
                f"the certificate is of {certificate.model}, on inputs of up to {certificate.max_seq_len} of "
                f"{certificate.vocabulary_size} tokens; use that of this model, {self.source.output_name}"
            )
        return model_card(self.source, self.model, certificate)

    def _source_certificate(self) -> Certificate | None:
        """What the source carries, or what can be found of it in no time, in the format of this model's weights."""
        config = self.source.config
        dtype = _name(self.model.dtype) if has_own_code(self.model) else config.dtype
        if self.source.certificate is not None and dtype == config.dtype:
            return self.source.certificate
        small = self.source.claims is not None and config.n_params <= MOST_PARAMETERS
        return verify(self.source, dtype=dtype) if small else None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def common_settings(model: Artefact, readout: ClassReadout, first_label: int = 0) -> dict[str, Any]:
    """The settings that configurations of all architectures share: special tokens, and labels numbered from the first.

    Raises:
        ExportError: two answers have the same text.
    """
    labels = distinct_texts(readout.classes, "answers")
    return {
        "bos_token_id": model.config.bos_id,
        "pad_token_id": model.config.pad_id,
        "eos_token_id": None,
        "id2label": dict(enumerate(labels, first_label)),
        "label2id": {label: number for number, label in enumerate(labels, first_label)},
        "tie_word_embeddings": False,
    }


def pretrained(model: Artefact, module: PreTrainedModel) -> Pretrained:
    """The module with the model's tokenizer and card, in evaluation mode.

    Raises:
        ExportError: two tokens or two answers have the same text, or a token has none.
    """
    module.eval()
    answers = tuple(module.config.id2label.values()) if is_language_model(module) else ()
    return Pretrained(module, word_tokenizer(model.config, answers), model)
