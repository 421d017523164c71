"""The verbs of every model, compiled or compressed: to other frameworks, to a page, to a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tracrlab.extras import require
from tracrlab.model.artefact import Artefact
from tracrlab.model.circuit import Circuit, model_circuit
from tracrlab.rasp.values import Value

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

    from tracrlab.export.jax import Apply, Params
    from tracrlab.learn.transformer import Transformer
    from tracrlab.rasp.expressions import SOp
    from tracrlab.viz.figures.plot import Kind


class ModelVerbs(Artefact):
    """An artefact with what can be done with any: its methods import what they need when they are called."""

    def circuit(self) -> Circuit:
        """Which heads, neurons and dimensions implement and hold each expression, and which part reads from which.

        A compressed model has that of its original; whether it is still its own is for its verdict to say.
        """
        return model_circuit(self.labelled)

    def to_torch(
        self,
        *,
        logits: Literal["classes", "raw"] = "classes",
        margin: float = 10.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        fused: bool = True,
    ) -> Transformer:
        """The model as a PyTorch module that maps token ids to logits.

        Arguments:
            logits, margin: what the module gives, as for :meth:`readout`.
            device: where the parameters are.
            dtype: their format; by default that of the model, or float64 where float32 cannot keep the margin. Answers
                are exact in this format and wider ones.
            fused: use fused attention while nobody watches the patterns; it has first derivatives only.

        Raises:
            MissingDependencyError: PyTorch is not installed.
            ValueError, PrecisionError: as for :meth:`readout`; or weights are beyond the range of ``dtype``.
        """
        require("torch", extra="torch", purpose="to_torch")
        from tracrlab.learn.transformer import torch_model

        readout = self.readout(logits, margin)
        return torch_model(self.config, self.weights, readout, device=device, dtype=dtype, fused=fused)

    def to_transformer_lens(
        self,
        *,
        logits: Literal["classes", "raw"] = "classes",
        margin: float = 10.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        tokenizer: Any = None,
    ) -> Any:
        """The model in TransformerLens: see :func:`tracrlab.export.transformer_lens.to_transformer_lens`."""
        from tracrlab.export.transformer_lens import to_transformer_lens

        readout = self.readout(logits, margin)
        return to_transformer_lens(self, readout, device=device, dtype=dtype, tokenizer=tokenizer)

    def to_jax(self, *, logits: Literal["classes", "raw"] = "classes", margin: float = 10.0) -> tuple[Apply, Params]:
        """The model as a pure function and a tree of parameters: see :func:`tracrlab.export.jax.to_jax`."""
        from tracrlab.export.jax import to_jax

        return to_jax(self, self.readout(logits, margin))

    def explore(self, tokens: Sequence[Value], *, program: SOp | None = None, reduced: bool = False) -> Any:
        """The explorer in a notebook: see :func:`tracrlab.viz.explorer.widget.explorer_widget`."""
        from tracrlab.viz.explorer.widget import explorer_widget

        return explorer_widget(self, tokens, program=program, reduced=reduced)

    def plot(self, tokens: Sequence[Value] = (), *, kind: Kind = "residual", **options: Any) -> Figure:
        """A figure of what the model does or is: see :func:`tracrlab.viz.figures.plot.plot`."""
        from tracrlab.viz.figures.plot import plot

        return plot(self, tokens, kind=kind, **options)
