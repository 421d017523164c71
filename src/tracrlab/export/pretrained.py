"""A model of Hugging Face Transformers with its tokenizer and card, and the folder that holds them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracrlab.errors import ModelFileError
from tracrlab.export.card import model_card
from tracrlab.export.texts import distinct_texts
from tracrlab.export.wordlevel import word_tokenizer
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.readout import ClassReadout
from tracrlab.shapes import Float, Int
from tracrlab.verify.certificate import Certificate

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A ``model`` of Transformers, its ``tokenizer``, its model ``card`` in Markdown, and a ``certificate``, if any."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast = field(repr=False)
    card: str = field(repr=False)
    certificate: Certificate | None = field(default=None, repr=False)

    def logits(self, ids: Int[np.ndarray, "batch position"]) -> Float[np.ndarray, "batch position class"]:
        """The logits of token ids that begin with BOS and are padded at the end; padding is masked."""
        import torch

        on_device = torch.as_tensor(ids, device=self.model.device)
        with torch.no_grad():
            output = self.model(input_ids=on_device, attention_mask=on_device != self.model.config.pad_token_id)
        logits: np.ndarray = output.logits.double().cpu().numpy()
        return logits

    def save_pretrained(self, path: str | PathLike[str]) -> None:
        """Write the folder ``path``, made if need be, that ``AutoModelForTokenClassification.from_pretrained`` reads.

        Everything is written beside it first, so a failure in writing leaves the folder as it was.

        Raises:
            ModelFileError: the folder cannot be written.
        """
        folder = Path(path)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
                self.model.save_pretrained(scratch)
                self.tokenizer.save_pretrained(scratch)
                (Path(scratch) / "README.md").write_text(self.card, encoding="utf-8")
                if self.certificate is not None:
                    (Path(scratch) / "certificate.json").write_text(self.certificate.to_json(), encoding="utf-8")
                folder.mkdir(exist_ok=True)
                for file in Path(scratch).iterdir():
                    file.replace(folder / file.name)
        except OSError as error:
            raise ModelFileError(f"cannot write a model to {folder}: {error.strerror or error}") from error


def common_settings(model: CompiledModel, readout: ClassReadout) -> dict[str, Any]:
    """The settings that configurations of all architectures share: special tokens and labels.

    Raises:
        ExportError: two answers have the same text.
    """
    labels = distinct_texts(readout.classes, "answers")
    return {
        "bos_token_id": model.config.bos_id,
        "pad_token_id": model.config.pad_id,
        "eos_token_id": None,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        "tie_word_embeddings": False,
    }


def pretrained(model: CompiledModel, readout: ClassReadout, module: PreTrainedModel) -> Pretrained:
    """The module with the model's tokenizer and card, in evaluation mode.

    Raises:
        ExportError: two tokens or two answers have the same text, or a token has none.
    """
    module.eval()
    labels = distinct_texts(readout.classes, "answers")
    remote_code = module.config.model_type == "tracrlab"
    return Pretrained(module, word_tokenizer(model.config), model_card(model, labels, remote_code=remote_code))
