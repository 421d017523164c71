"""The subspace in which a variable is, to be judged by exchanging what is there.

Each method gives one for every variable that is held and used, at the first site where it is held.
"""

from __future__ import annotations

import contextlib
import io
import re
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch

from tracrlab import learn
from tracrlab.extras import require
from tracrlab.lab.interchange import Interchange, asked, drawn
from tracrlab.lab.methods import method
from tracrlab.learn.losses.cross_entropy import cross_entropy

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

Subspaces = dict[tuple[str, str], np.ndarray]

STEPS, BATCH = 200, 128  # of DAS
LEARNING_RATE = 2e-2  # of Adam


@method("subspace", role="oracle")
def true_subspace(case: Case, rng: np.random.Generator) -> Subspaces:
    """The dimensions of the variable."""
    labels = case.model.labels
    return {(name, site): case.made.frame[labels.variable(name).dimensions].T for name, site in asked(case)}


@method("subspace", role="baseline")
def random_subspace(case: Case, rng: np.random.Generator) -> Subspaces:
    """A random subspace of the true width."""
    return {key: rng.normal(size=(case.module.config.d_model, _width(case, key[0]))) for key in asked(case)}


@method("subspace")
def class_means(case: Case, rng: np.random.Generator) -> Subspaces:
    """The span of the means of activations at each value of the variable, less the mean of all."""
    ids = case.pairs("train").ids
    found = {}
    for name, site in asked(case):
        with torch.no_grad():
            residual = learn.activations(case.module, ids, [site])[site]
        values = case.values(name, ids)
        there = (ids != case.module.config.pad_id) & (values >= 0)
        there[:, 0] = False
        rows, kinds = residual[there].numpy(), values[there].numpy()
        means = np.stack([rows[kinds == kind].mean(axis=0) for kind in np.unique(kinds)]) - rows.mean(axis=0)
        found[name, site] = _span(means)
    return found


@method("subspace")
def das(case: Case, rng: np.random.Generator) -> Subspaces:
    """Distributed alignment search (Geiger et al. 2023) by pyvene, in a subspace of the true width.

    A rotation is trained so that exchanging what lies in it makes the answer what the program's is when the variable
    is exchanged.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # it says there what it has not found
        pyvene = require("pyvene", extra="pyvene", purpose="the method das")
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    ids = case.pairs("train").ids
    return {key: _aligned(case, key, drawn(case, key[0], ids, generator), pyvene, generator) for key in asked(case)}


def _aligned(
    case: Case, key: tuple[str, str], exchange: Interchange, pyvene: ModuleType, generator: torch.Generator
) -> np.ndarray:
    """A basis [d, k] of the subspace that is found."""
    (name, site), module = key, case.module
    with torch.random.fork_rng([]):  # from which pyvene draws the rotation at first
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        part = pyvene.LowRankRotatedSpaceIntervention(
            embed_dim=module.config.d_model, low_rank_dimension=_width(case, name), keep_last_dim=True
        )
        component = re.sub(r"\.(\d+)", r"[\1]", site) + ".output"  # as pyvene writes it
        model = pyvene.IntervenableModel([{"component": component, "intervention": part}], model=module)
    optimizer = torch.optim.Adam(part.parameters(), lr=LEARNING_RATE)
    positions = {"sources->base": list(range(exchange.ids.shape[1]))}
    for _ in range(STEPS):
        rows = torch.randperm(len(exchange.ids), generator=generator)[:BATCH]
        _, logits = model({"ids": exchange.ids[rows]}, [{"ids": exchange.sources[rows]}], unit_locations=positions)
        loss = cross_entropy(logits, exchange.after[rows], exchange.scored[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    basis: np.ndarray = part.rotate_layer.weight.detach().numpy()
    return basis


def _width(case: Case, name: str) -> int:
    """How many dimensions a variable has."""
    dimensions = case.model.labels.variable(name).dimensions
    return int(dimensions.stop - dimensions.start)


def _span(rows: np.ndarray) -> np.ndarray:
    """A basis [d, k] of the span of rows."""
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    basis: np.ndarray = directions[sizes > 1e-5 * sizes.max(initial=1e-30)].T
    return basis
