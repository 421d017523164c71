"""Compiled models in Hugging Face Transformers, with the architecture they were compiled for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracrlab.export.pretrained import Pretrained, common_settings, pretrained
from tracrlab.extras import require
from tracrlab.model.artefact import Artefact
from tracrlab.model.readout import ClassReadout

if TYPE_CHECKING:
    import torch


def to_huggingface(model: Artefact, readout: ClassReadout, *, dtype: torch.dtype | None = None) -> Pretrained:
    """The model as a ``PreTrainedModel`` for token classification, with tokenizer and card.

    The saved folder holds the code of the model (``modeling_tracrlab.py``), so loading needs ``trust_remote_code=True``
    and no Tracr Lab. Parameters are named as in :meth:`Artefact.to_torch`.

    Raises:
        MissingDependencyError: Transformers or PyTorch is not installed.
        ExportError: two tokens or two answers have the same text, or a token has none.
        PrecisionError: the weights are beyond the range of ``dtype``.
    """
    for package in ("torch", "transformers", "tokenizers"):
        require(package, extra="huggingface", purpose="to_huggingface")
    from tracrlab.export.modeling_tracrlab import TracrLabConfig, TracrLabForTokenClassification
    from tracrlab.learn.transformer import parameters

    config = model.config
    settings = TracrLabConfig(
        vocab_size=config.d_vocab,
        n_ctx=config.n_ctx,
        d_model=config.d_model,
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        d_head=config.d_head,
        d_mlp=config.d_mlp,
        causal=config.causal,
        residual_labels=model.labels.histories,
        auto_map={"AutoModel": f"{_MODULE}.{TracrLabForTokenClassification.__name__}"},
        **common_settings(model, readout),
    )
    TracrLabConfig.register_for_auto_class()
    TracrLabForTokenClassification.register_for_auto_class("AutoModelForTokenClassification")
    module = TracrLabForTokenClassification(settings)
    tensors = parameters(model.weights, readout, dtype=dtype)
    module.to(tensors["embed.W_E"].dtype).load_state_dict(tensors)
    return pretrained(model, module)


_MODULE = "modeling_tracrlab"
