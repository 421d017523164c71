"""A transformer compiled from a RASP program, for Hugging Face Transformers. This file needs nothing else.

The transformer has ReLU neurons, learned positions, no layer norm and no biases but one, at the unembedding. Parameters
are named and shaped as in TransformerLens.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import TokenClassifierOutput


class TracrLabConfig(PretrainedConfig):
    """The shape of a compiled transformer; ``residual_labels`` say what each residual dimension holds."""

    model_type = "tracrlab"
    attribute_map = {  # noqa: RUF012  # as the library has it
        "hidden_size": "d_model",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "max_position_embeddings": "n_ctx",
    }

    def __init__(
        self,
        vocab_size: int = 3,
        n_ctx: int = 2,
        d_model: int = 1,
        n_layers: int = 0,
        n_heads: int = 0,
        d_head: int = 0,
        d_mlp: int = 0,
        causal: bool = False,
        residual_labels: tuple[str, ...] = (),
        **others: Any,
    ) -> None:
        self.vocab_size, self.n_ctx, self.d_model, self.n_layers = vocab_size, n_ctx, d_model, n_layers
        self.n_heads, self.d_head, self.d_mlp, self.causal = n_heads, d_head, d_mlp, causal
        self.residual_labels = list(residual_labels)
        super().__init__(**others)


class Embed(nn.Module):
    """Token ids to vectors."""

    def __init__(self, config: TracrLabConfig) -> None:
        super().__init__()
        self.W_E = nn.Parameter(torch.zeros(config.vocab_size, config.d_model))

    def forward(self, ids: Tensor) -> Tensor:
        return self.W_E[ids]  # [batch, position, d_model]


class PosEmbed(nn.Module):
    """A vector for each position, BOS being position 0."""

    def __init__(self, config: TracrLabConfig) -> None:
        super().__init__()
        self.W_pos = nn.Parameter(torch.zeros(config.n_ctx, config.d_model))

    def forward(self, ids: Tensor) -> Tensor:
        return self.W_pos[: ids.shape[1]]  # [position, d_model]


class Attention(nn.Module):
    """Multi-head attention; scores are divided by √d_head after they are summed, so that equal ones stay equal."""

    def __init__(self, config: TracrLabConfig) -> None:
        super().__init__()
        projection = (config.n_heads, config.d_model, config.d_head)
        self.W_Q = nn.Parameter(torch.zeros(projection))
        self.W_K = nn.Parameter(torch.zeros(projection))
        self.W_V = nn.Parameter(torch.zeros(projection))
        self.W_O = nn.Parameter(torch.zeros(config.n_heads, config.d_head, config.d_model))
        self.divisor = math.sqrt(config.d_head)

    def forward(self, x: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """What all heads write, and their patterns [batch, head, query, key]."""
        q, k, v = (torch.einsum("bpd,hde->bhpe", x, matrix) for matrix in (self.W_Q, self.W_K, self.W_V))
        scores = (q @ k.transpose(2, 3) / self.divisor).masked_fill(~visible, -math.inf)
        pattern = scores.softmax(dim=-1)
        return torch.einsum("bhpe,hed->bpd", pattern @ v, self.W_O), pattern


class MLP(nn.Module):
    """One hidden layer of ReLU neurons."""

    def __init__(self, config: TracrLabConfig) -> None:
        super().__init__()
        self.W_in = nn.Parameter(torch.zeros(config.d_model, config.d_mlp))
        self.W_out = nn.Parameter(torch.zeros(config.d_mlp, config.d_model))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.W_in).relu() @ self.W_out


class Block(nn.Module):
    """A layer: attention, then the MLP, each added to the residual stream."""

    def __init__(self, config: TracrLabConfig) -> None:
        super().__init__()
        self.attn, self.mlp = Attention(config), MLP(config)

    def forward(self, x: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """The residual stream after the layer, and the attention patterns."""
        written, pattern = self.attn(x, visible)
        x = x + written
        return x + self.mlp(x), pattern


class Unembed(nn.Module):
    """The residual stream to a logit for each label."""

    def __init__(self, config: TracrLabConfig) -> None:
        super().__init__()
        self.W_U = nn.Parameter(torch.zeros(config.d_model, config.num_labels))
        self.b_U = nn.Parameter(torch.zeros(config.num_labels))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W_U + self.b_U


class TracrLabForTokenClassification(PreTrainedModel):
    """A compiled transformer, which labels each token with the program's value there."""

    config_class = TracrLabConfig
    main_input_name = "input_ids"

    def __init__(self, config: TracrLabConfig) -> None:
        super().__init__(config)
        self.embed, self.pos_embed = Embed(config), PosEmbed(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.unembed = Unembed(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        **others: Any,
    ) -> TokenClassifierOutput:
        """Logits [batch, position, label] of ids that begin with BOS; without a mask, the padding token is masked.

        The hidden states are the residual stream before the first layer and after each.

        Raises:
            ValueError: there are more positions than the model has.
        """
        length = input_ids.shape[1]
        if length > self.config.n_ctx:
            raise ValueError(f"the input has {length} positions with BOS, but the model has {self.config.n_ctx}")
        present = input_ids != self.config.pad_token_id if attention_mask is None else attention_mask.bool()
        allowed = torch.ones(length, length, dtype=torch.bool, device=input_ids.device)
        visible = present[:, None, None, :] & (allowed.tril() if self.config.causal else allowed)
        x = self.embed(input_ids) + self.pos_embed(input_ids)
        residuals, patterns = [x], []
        for block in self.blocks:
            x, pattern = block(x, visible)
            residuals.append(x)
            patterns.append(pattern)
        logits = self.unembed(x)
        return TokenClassifierOutput(
            loss=None if labels is None else functional.cross_entropy(logits.flatten(0, 1), labels.flatten()),
            logits=logits,
            hidden_states=tuple(residuals) if output_hidden_states else None,
            attentions=tuple(patterns) if output_attentions else None,
        )
