"""The compression studies of the Tracr paper (section 5, Figures 7 and 8), and what goes on from there.

``python -m benchmarks.compression frac_prevs`` and ``… sort_unique`` train and measure, and write figures and a JSON
file into docs/compression; ``… report`` puts both into docs/compression/results.md. Interrupted trainings continue from
build/compression. Nothing in the results is typed in by hand.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tracrlab
from benchmarks.compression_report import report
from tracrlab import CompiledModel
from tracrlab.compress import CompressedModel, Settings, Sharing, Training, train
from tracrlab.compress.compressed_model import compressed_model
from tracrlab.compress.dictionary import learned_dictionary, recovery
from tracrlab.compress.exact import exact_compression, exact_sizes
from tracrlab.compress.faithfulness import verdict
from tracrlab.compress.features import (
    feature_geometry,
    feature_rows,
    foretold_features,
    prediction_scores,
    superposition,
    value_line,
)
from tracrlab.compress.figures import heat_maps, size_curves
from tracrlab.compress.forward import frozen_model
from tracrlab.compress.initial import Initial, initial_matrix
from tracrlab.compress.metrics import mean_cosine, measured_model
from tracrlab.learn.checkpoints import Row, write_rows
from tracrlab.learn.inputs import training_inputs
from tracrlab.learn.verdict import Verdict
from tracrlab.rasp.library import PROGRAMS

OUT, WORK = Path("docs/compression"), Path("build/compression")
N_SEEDS = 6
EXACT = 1e-4  # an output loss below this is no loss of performance

SMALL = 6  # the size at which frac_prevs is looked at closely
FRAC_PREVS = Settings(steps=6000)
SORT_UNIQUE = Settings(steps=4000)
FRAC_FAITHFUL, FRAC_FAITHFUL_SIZES = replace(FRAC_PREVS, steps=3000, interchange_weight=1.0), (4, SMALL, 8, 10)
READS = Settings(steps=3000, layer_weight=3.0, initial_sharpness=0.2)
FAITHFUL = replace(READS, interchange_weight=1.0)
PLANS: dict[str, tuple[Settings, Initial, tuple[int, ...], int]] = {  # settings, start, sizes, seeds
    "as in the paper": (SORT_UNIQUE, "random", (4, 6, 8, 10, 12, 16, 20), 3),
    "the same from what is read": (READS, "reads", (8, 12, 16), 3),
    "with interchange loss": (FAITHFUL, "reads", (8, 10, 12, 16, 20), 3),
}
VARIANTS: dict[str, tuple[dict[str, Any], Initial]] = {
    "one W for all (the paper's)": ({}, "random"),
    "embedding and unembedding apart": ({"sharing": Sharing.LAYERS}, "random"),
    "a matrix for each layer": ({"sharing": Sharing.NOTHING}, "random"),
    "MLPs and embeddings trained too": ({"unfrozen": ("W_E", "W_pos", "W_in", "W_out", "W_U")}, "random"),
    "layers compared as they are read": ({"compare": "read"}, "random"),
    "begun with PCA": ({}, "pca"),
    "begun with what is read": ({"initial_sharpness": 0.2}, "reads"),
    "sharp from the start": ({"initial_sharpness": 1.0}, "random"),
}


@dataclass(frozen=True)
class Claim:
    """Something the paper finds, what our runs measure of it, and whether that shows it, by the criterion named."""

    claim: str
    criterion: str
    measured: str
    shown: bool


# frac_prevs: Figure 7 ------------------------------------------------------------------------------------------------


def frac_prevs() -> None:
    """Loss against d, the geometry of W, what foretells it, dictionaries."""
    model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "abcx", 5)
    labels = [str(label) for label in model.labels.dimensions]
    training = train(model, range(1, 15), seeds=range(N_SEEDS), settings=FRAC_PREVS, folder=WORK / "frac_prevs")
    principal = [measured_model(pca_compression(model, d)) for d in range(1, 15)]
    at_six = [training.compressed(SMALL, seed) for seed in range(N_SEEDS)]
    best, pca = training.compressed(SMALL), pca_compression(model, SMALL)
    exact = exact_compression(model)
    foretold = foretold_features(model)
    geometries = [feature_geometry(each.W, labels) for each in at_six]
    found = feature_geometry(best.W, labels)
    dictionary = learned_dictionary(best)
    score = recovery(best, dictionary)
    groups = {"W trained": training.results, "PCA": principal}
    size_curves(
        OUT / "frac_prevs-loss.svg",
        groups,
        {"output_loss": "mean squared error", "accuracy": "accuracy"},
        logarithmic=["output_loss"],
    )
    titled = {f"W trained, d = {SMALL}": superposition(best), f"PCA, d = {SMALL}": superposition(pca)}
    heat_maps(OUT / "frac_prevs-heatmap.svg", labels, titled)
    write_rows(OUT / "frac_prevs.parquet", training.metrics)
    variants, seconds = [], {"all sizes and seeds": training.seconds, "variants": 0.0}
    for name, (changes, initial) in VARIANTS.items():
        folder = _folder("frac_prevs", name)
        settings = replace(FRAC_PREVS, steps=1000, **changes)
        trained = train(model, [4, SMALL], seeds=range(2), settings=settings, initial=initial, folder=folder)
        seconds["variants"] += trained.seconds
        variants += [{"variant": name, **row} for row in _best_by_size(trained.results)]
    faithful = train(
        model,
        FRAC_FAITHFUL_SIZES,
        seeds=range(3),
        settings=FRAC_FAITHFUL,
        folder=_folder("frac_prevs", "with interchange loss"),
    )
    seconds["with interchange loss"] = faithful.seconds
    verdicts = [
        _verdict_row(name, d, verdict(trained.compressed(d)), "is_x")
        for name, trained in (("as in the paper", training), ("with interchange loss", faithful))
        for d in FRAC_FAITHFUL_SIZES
    ]
    _write(
        "frac_prevs",
        seconds,
        small=SMALL,
        settings=asdict(FRAC_PREVS),
        sizes=[_size_row(d, training.results, principal) for d in range(1, 15)],
        exact=asdict(exact_sizes(model)) | {"shared": exact.config.d_model, "equal": _equal(exact, model)},
        compact=_compact_size(model, "frac_prevs"),
        features=feature_rows(foretold, found),
        prediction=_mean_scores([prediction_scores(foretold, each) for each in geometries]),
        dictionary={"loss": dictionary.loss, "active": dictionary.active, "mean": score.mean, "chance": score.chance}
        | {"recovered": score.recovered, "cosines": score.cosines, "threshold": score.threshold},
        variants=variants,
        verdicts=verdicts,
        claims=[asdict(each) for each in _frac_prevs_claims(training, best, labels, verdicts)],
    )


def _frac_prevs_claims(
    training: Training, best: CompressedModel, labels: list[str], verdicts: list[Row]
) -> Iterable[Claim]:
    least = {d: min(row["output_loss"] for row in training.results if row["d"] == d) for d in range(1, 15)}
    worst_above, below = max(least[d] for d in range(SMALL, 15)), least[SMALL - 1]
    yield Claim(
        f"no loss of performance from 14 down to {SMALL} dimensions",
        f"the best seed of each has a mean squared error below {EXACT:.0e}",
        f"{worst_above:.1e} at worst",
        worst_above < EXACT,
    )
    yield Claim(
        f"performance suffers below {SMALL}",
        f"at {SMALL - 1} even the best seed is above {EXACT:.0e}, and every size less is worse than the next",
        ", ".join(f"{d}: {least[d]:.1e}" for d in range(SMALL - 1, 0, -1)),
        below > EXACT and all(least[d] > least[d + 1] for d in range(1, SMALL - 1)),
    )
    converged = [
        training.compressed(SMALL, row["seed"]).W
        for row in training.results
        if row["d"] == SMALL and row["output_loss"] < EXACT
    ]
    others = [list(_geometry_claims(W, labels)) for W in converged]
    for number, claim in enumerate(_geometry_claims(best.W, labels)):
        count = sum(each[number].shown for each in others)
        yield replace(
            claim, measured=f"{claim.measured}; shown by {count} of the {len(others)} seeds below {EXACT:.0e}"
        )

    as_in_paper = [row for row in verdicts if row["trained"] == "as in the paper" and row["accuracy"] >= 0.99]
    yield Claim(
        "(beyond the paper) right answers and cosine similarities of 1 do not make a model faithful",
        "some size with accuracy and mean cosine of at least 0.99 where fewer than half of the answers follow is_x",
        "; ".join(f"d = {row['d']}: {row['own']:.2f} follow" for row in as_in_paper) or "no such run",
        any(row["mean cosine"] >= 0.99 and row["own"] < 0.5 for row in as_in_paper),
    )
    faithful = [row for row in verdicts if row["trained"] == "with interchange loss" and row["faithful"]]
    yield Claim(
        "(beyond the paper) a compression that stays faithful exists",
        "a run with interchange loss whose verdict is faithful",
        "; ".join(f"d = {row['d']}: accuracy {row['accuracy']:.3f}" for row in faithful) or "no such run",
        bool(faithful),
    )


def _geometry_claims(W: np.ndarray, labels: list[str]) -> Iterable[Claim]:
    """What the paper says about Figure 7's heat map, of the best run."""
    norms = np.linalg.norm(W, axis=1)
    cosines = W @ W.T / np.maximum(np.outer(norms, norms), 1e-12)
    at = {label: number for number, label in enumerate(labels)}
    own = {each.label: each.dimensions for each in feature_geometry(W, labels)}
    crucial, unused = ["tokens:x", "is_x", "frac_prevs"], ["tokens:a", "tokens:b", "tokens:c"]
    rest = [number for label, number in at.items() if label not in crucial]
    outside = {label: float(np.abs(W[at[label]] @ W[rest].T / norms[at[label]]).max()) for label in crucial}
    yield Claim(
        "tokens:x, is_x and frac_prevs get mostly separate dimensions",
        "each has at least half a dimension of its own, and reads at most 0.3 of any variable but these three",
        ", ".join(f"{each}: {own[each]:.2f} of a dimension, reads {outside[each]:.2f}" for each in crucial),
        all(own[each] >= 0.5 and outside[each] <= 0.3 for each in crucial),
    )
    yield Claim(
        "tokens:a, tokens:b and tokens:c are dropped",
        "each is shorter than a third",
        ", ".join(f"{each}: {norms[at[each]]:.2f}" for each in unused),
        all(bool(norms[at[each]] < 1 / 3) for each in unused),
    )
    indices = [number for label, number in at.items() if label.startswith("indices:")]
    largest = max(abs(float(cosines[one, other])) for one, other in itertools.combinations(indices, 2))
    total = sum(own[labels[number]] for number in indices)
    yield Claim(
        "the indices share dimensions that are not orthogonal",
        "the five have at most four dimensions, and some two a cosine above 0.1",
        f"{total:.2f} dimensions, cosine {largest:.2f}",
        largest > 0.1 and total <= 4,
    )
    overlap = float(cosines[at["is_x"], at["tokens:x"]])
    yield Claim(
        "is_x and tokens:x share part of the space",
        "their cosine is at least 0.1",
        f"{overlap:.2f}",
        abs(overlap) >= 0.1,
    )


# sort_unique: Figure 8 -----------------------------------------------------------------------------------------------


def sort_unique() -> None:
    """Accuracy and cosine similarity against d, where the error comes from, and the faithful variant."""
    model = tracrlab.compile(PROGRAMS["sort_unique"].build(), "12345", 5)
    labels = [str(label) for label in model.labels.dimensions]
    inputs = [list(each) for length in range(1, 6) for each in itertools.permutations("12345", length)]
    trainings: dict[str, Training] = {}
    for name, (settings, initial, sizes, n_seeds) in PLANS.items():
        folder = _folder("sort_unique", name)
        trainings[name] = train(
            model, sizes, seeds=range(n_seeds), settings=settings, initial=initial, inputs=inputs, folder=folder
        )
    rows = [{"trained": name, **row} for name, training in trainings.items() for row in training.metrics]
    write_rows(OUT / "sort_unique.parquet", rows)
    seconds = {name: training.seconds for name, training in trainings.items()}
    verdicts = [
        (name, d, compressed, verdict(compressed, inputs=inputs))
        for name, training in trainings.items()
        for d in PLANS[name][2]
        for compressed in [training.compressed(d)]
    ]
    exact = exact_compression(model)
    principal = [measured_model(pca_compression(model, d, inputs), inputs) for d in range(2, 26)]
    groups = {name: training.results for name, training in trainings.items()} | {"PCA": principal}
    groups = {name: [row | {"mean cosine": mean_cosine(row)} for row in rows] for name, rows in groups.items()}
    size_curves(
        OUT / "sort_unique-cosine.svg",
        groups,
        {"accuracy": "accuracy", "mean cosine": "mean cosine similarity", "cosine_written m0": "of target_pos"},
    )
    shown = {f"{name}, d = 12": superposition(training.compressed(12)) for name, training in trainings.items()}
    heat_maps(OUT / "sort_unique-heatmap.svg", labels, shown)
    rows = []
    for name, d, compressed, judged in verdicts:
        line = value_line(compressed, "target_pos", inputs)
        rows.append(_verdict_row(name, d, judged, "target_pos") | {"line": line.share, "order": line.correlation})
    _write(
        "sort_unique",
        seconds,
        settings={name: asdict(settings) for name, (settings, *_) in PLANS.items()},
        verdicts=rows,
        detail={f"{name}, d = {d}": str(judged) for name, d, _, judged in verdicts if d == 12},
        exact=asdict(exact_sizes(model)) | {"shared": exact.config.d_model, "equal": _equal(exact, model)},
        compact=_compact_size(model, "sort_unique"),
        pca_accuracy={row["d"]: row["accuracy"] for row in principal},
        claims=[asdict(each) for each in _sort_unique_claims(rows)],
    )


def _sort_unique_claims(rows: list[Row]) -> Iterable[Claim]:
    near = [row for row in rows if row["trained"] == "as in the paper" and row["accuracy"] >= 0.99]
    low = [row for row in near if row["mean cosine"] <= 0.9]
    yield Claim(
        "accuracy is close to 1 while the average cosine similarity stays well below",
        "accuracy at least 0.99 and average at most 0.9, at some size",
        "; ".join(f"d = {row['d']}: {row['accuracy']:.3f}, {row['mean cosine']:.2f}" for row in near) or "no such run",
        bool(low),
    )
    yield Claim(
        "the error comes from target_pos",
        "target_pos has the largest error of the variables, at each of these sizes",
        "; ".join(f"d = {row['d']}: {row['worst']}" for row in low) or "no such run",
        bool(low) and all(row["worst"] == "target_pos" for row in low),
    )
    yield Claim(
        "target_pos is encoded as a number",
        "at some of these sizes, its values lie in order on one line, which has 0.9 of their variance",
        "; ".join(f"d = {row['d']}: {row['line']:.2f}, order {row['order']:.2f}" for row in low) or "no such run",
        any(row["line"] >= 0.9 and row["order"] >= 0.99 for row in low),
    )
    yield Claim(
        "(beyond the paper) those answers do not go through target_pos",
        "at each of these sizes, fewer than half of the answers follow when it is exchanged",
        "; ".join(f"d = {row['d']}: {row['own']:.2f}" for row in low) or "no such run",
        bool(low) and all(row["own"] < 0.5 for row in low),
    )
    faithful = [row for row in rows if row["trained"] == "with interchange loss" and row["faithful"]]
    yield Claim(
        "(beyond the paper) a compression that stays faithful exists",
        "a run with interchange loss whose verdict is faithful",
        "; ".join(f"d = {row['d']}: accuracy {row['accuracy']:.3f}" for row in faithful) or "no such run",
        bool(faithful),
    )


# What both share -----------------------------------------------------------------------------------------------------


def _verdict_row(name: str, d: int, judged: Verdict, variable: str) -> dict[str, Any]:
    """The verdict and the evidence on one variable."""
    (evidence,) = (each for each in judged.variables if each.variable == variable)
    return {
        "trained": name,
        "d": d,
        "accuracy": judged.accuracy,
        "mean cosine": mean_cosine(judged.measures),
        **{
            name.replace("_written", ""): value
            for name, value in judged.measures.items()
            if name.startswith("cosine_written") and value is not None
        },
        "written": evidence.written,
        "own": evidence.own,
        "compiled": evidence.compiled,
        "worst": judged.worst.variable if judged.worst else "-",
        "faithful": judged.faithful,
    }


def _folder(study: str, name: str) -> Path:
    return WORK / f"{study}-{re.sub(r'[^a-z]+', '-', name.lower())}"


def pca_compression(model: CompiledModel, d: int, inputs: Iterable[Sequence[str]] | None = None) -> CompressedModel:
    """The model projected to its first principal directions, and not trained."""
    ids = torch.as_tensor(training_inputs(model, inputs))
    matrix = initial_matrix(model, frozen_model(model), ids, "pca", d, 0)
    return compressed_model(model, Sharing.ALL, {"matrices": matrix.numpy()[None]})


def _best_by_size(rows: Sequence[Row]) -> list[Row]:
    best: dict[int, Row] = {}
    for row in rows:
        if row["d"] not in best or row["output_loss"] < best[row["d"]]["output_loss"]:
            best[row["d"]] = row
    return list(best.values())


def _size_row(d: int, rows: Sequence[Row], principal: Sequence[Row]) -> dict[str, Any]:
    losses = [row["output_loss"] for row in rows if row["d"] == d]
    accuracies = [row["accuracy"] for row in rows if row["d"] == d]
    (pca,) = (row for row in principal if row["d"] == d)
    return {
        "d": d,
        "least loss": min(losses),
        "median loss": statistics.median(losses),
        "best accuracy": max(accuracies),
        "median accuracy": statistics.median(accuracies),
        "PCA loss": pca["output_loss"],
        "PCA accuracy": pca["accuracy"],
    }


def _mean_scores(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(each[name] for each in scores) for name in scores[0]}


def _equal(compressed: CompressedModel, model: CompiledModel) -> bool:
    config = model.config
    inputs = [
        each for length in range(1, config.max_seq_len + 1) for each in itertools.product(config.vocab, repeat=length)
    ]
    return compressed.run_batch(inputs) == model.run_batch(inputs)


def _compact_size(model: CompiledModel, name: str) -> int:
    compact = tracrlab.compile(PROGRAMS[name].build(), model.config.vocab, model.config.max_seq_len, mode="compact")
    return compact.config.d_model


def _write(name: str, seconds: dict[str, float], **results: Any) -> None:
    results = results | {"processor seconds": seconds, "hardware": hardware()}
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")


def hardware() -> str:
    """What this is computed on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, PyTorch {torch.__version__} on {torch.get_num_threads()} threads"


STUDIES: dict[str, Callable[[], None]] = {
    "frac_prevs": frac_prevs,
    "sort_unique": sort_unique,
    "report": lambda: report(OUT),
}


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("study", choices=STUDIES, nargs="+")
    for name in parser.parse_args().study:
        OUT.mkdir(parents=True, exist_ok=True)
        STUDIES[name]()


if __name__ == "__main__":
    main()
