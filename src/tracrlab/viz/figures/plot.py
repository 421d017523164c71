"""The figures of a model by their kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from tracrlab.errors import DrawingError
from tracrlab.model.artefact import Artefact
from tracrlab.model.report import model_report
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value
from tracrlab.viz.figures.costs import cost_figure
from tracrlab.viz.figures.matrices import weights_figure
from tracrlab.viz.figures.page import Columns
from tracrlab.viz.figures.patterns import patterns_figure
from tracrlab.viz.figures.residual import residual_figure
from tracrlab.viz.figures.stages import stages_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["residual", "patterns", "stages", "weights", "cost"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def plot(
    model: Artefact,
    tokens: Sequence[Value] = (),
    *,
    kind: Kind = "residual",
    columns: Columns = 2,
    fold: bool | None = None,
    sublayer: str | None = None,
    program: SOp | None = None,
) -> Figure:
    """A figure of a model, which a notebook shows and ``figure.savefig`` writes.

    Arguments:
        model: the model.
        tokens: the input, for ``"residual"`` and ``"patterns"``; the other kinds do not depend on one.
        kind: ``"residual"``, the residual stream after every sublayer; ``"patterns"``, the attention of every head;
            ``"stages"``, expressions, components and layers; ``"weights"``, the matrices; ``"cost"``, by expression.
        columns: of a paper, 1 (3.3 inches) or 2 (6.9 inches), which the figure is as wide as at most.
        fold: of ``"residual"``, a row for each variable; by default for more than 40 dimensions.
        sublayer: of ``"residual"`` and ``"weights"``, the only one to draw, such as ``"a1"``.
        program: of ``"stages"``, what the model was compiled from, for arcs between its expressions.

    Raises:
        DrawingError: there is no such kind, number of columns or sublayer, or the figure would be too large.
        InputError: the model does not take these tokens; or was not compiled from ``program``.
        MissingDependencyError: matplotlib is not installed.
    """
    match kind:
        case "residual":
            return residual_figure(
                model.trace(tokens), str(model.config.bos), columns=columns, fold=fold, sublayer=sublayer
            )
        case "patterns":
            return patterns_figure(model.trace(tokens), str(model.config.bos), columns=columns)
        case "stages":
            return stages_figure(model, program=program, columns=columns)
        case "weights":
            return weights_figure(model, columns=columns, sublayer=sublayer)
        case "cost":
            if model.labelled is not model:
                raise DrawingError("the dimensions of a compressed model belong to no expression; draw its original's")
            return cost_figure(model_report(model.weights, model.labels, model.certificate), columns=columns)
        case _:
            raise DrawingError(f"there is no figure {kind!r}; there are {', '.join(KINDS)}")
