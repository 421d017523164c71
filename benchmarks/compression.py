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
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tracrlab
from benchmarks.markdown import markdown_table
from tracrlab import CompiledModel
from tracrlab.compress import CompressedModel, Settings, Sharing, Training, train
from tracrlab.compress.checkpoints import Row, write_rows
from tracrlab.compress.compressed_model import compressed_model
from tracrlab.compress.dictionary import learned_dictionary, recovery
from tracrlab.compress.exact import exact_compression, exact_sizes
from tracrlab.compress.faithfulness import Verdict, verdict
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
from tracrlab.compress.inputs import training_inputs
from tracrlab.compress.metrics import mean_cosine, measured_model
from tracrlab.rasp.library import PROGRAMS

OUT, WORK = Path("docs/compression"), Path("build/compression")
N_SEEDS = 6
EXACT = 1e-4  # an output loss below this is no loss of performance

FRAC_PREVS = Settings(steps=6000)
SORT_UNIQUE = Settings(steps=4000)
READS = Settings(steps=3000, layer_weight=3.0, initial_sharpness=0.2)
FAITHFUL = replace(READS, interchange_weight=1.0)
SMALL = 6
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
    seconds, start = {"training all sizes and seeds": training.seconds}, time.process_time()
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
    variants = []
    for name, (changes, initial) in VARIANTS.items():
        folder = _folder("frac_prevs", name)
        settings = replace(FRAC_PREVS, steps=1000, **changes)
        trained = train(model, [4, SMALL], seeds=range(2), settings=settings, initial=initial, folder=folder)
        variants += [{"variant": name, **row} for row in _best_by_size(trained.results)]
    _write(
        "frac_prevs",
        seconds,
        start,
        settings=asdict(FRAC_PREVS),
        sizes=[_size_row(d, training.results, principal) for d in range(1, 15)],
        exact=asdict(exact_sizes(model)) | {"shared": exact.config.d_model, "equal": _equal(exact, model)},
        compact=_compact_size(model, "frac_prevs"),
        features=feature_rows(foretold, found),
        prediction=_mean_scores([prediction_scores(foretold, each) for each in geometries]),
        dictionary={"loss": dictionary.loss, "active": dictionary.active, "mean": score.mean, "chance": score.chance}
        | {"recovered": score.recovered, "cosines": score.cosines, "threshold": score.threshold},
        variants=variants,
        verdict=str(verdict(best)),
        claims=[asdict(each) for each in _frac_prevs_claims(training, best, labels)],
    )


def _frac_prevs_claims(training: Training, best: CompressedModel, labels: list[str]) -> Iterable[Claim]:
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
    W, norms = best.W, np.linalg.norm(best.W, axis=1)
    cosines = W @ W.T / np.maximum(np.outer(norms, norms), 1e-12)
    at = {label: number for number, label in enumerate(labels)}
    crucial, unused = ["tokens:x", "is_x", "frac_prevs"], ["tokens:a", "tokens:b", "tokens:c"]
    geometry = {each.label: each for each in feature_geometry(W, labels)}
    rest = [number for label, number in at.items() if label not in crucial and label not in unused]
    outside = {label: float((W[at[label]] @ W[rest].T / norms[at[label]]).__abs__().max()) for label in crucial}
    yield Claim(
        "tokens:x, is_x and frac_prevs get mostly separate dimensions",
        "each has at least half a dimension of its own, and no cosine above 0.5 with a variable other than these three",
        ", ".join(f"{each}: {geometry[each].dimensions:.2f} of a dimension, {outside[each]:.2f}" for each in crucial),
        all(geometry[each].dimensions >= 0.5 and outside[each] <= 0.5 for each in crucial),
    )
    yield Claim(
        "tokens:a, tokens:b and tokens:c are dropped",
        "each is shorter than a third",
        ", ".join(f"{each}: {norms[at[each]]:.2f}" for each in unused),
        all(norms[at[each]] < 1 / 3 for each in unused),
    )
    indices = [number for label, number in at.items() if label.startswith("indices:")]
    pairs = [abs(cosines[one, other]) for one, other in itertools.combinations(indices, 2)]
    yield Claim(
        "the indices share dimensions that are not orthogonal",
        "the five have less than five dimensions, and some two a cosine above 0.1",
        f"{sum(geometry[labels[number]].dimensions for number in indices):.2f} dimensions, cosine {max(pairs):.2f}",
        max(pairs) > 0.1 and sum(geometry[labels[number]].dimensions for number in indices) < 5,
    )
    overlap = cosines[at["is_x"], at["tokens:x"]]
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
    seconds = {f"training {name}": training.seconds for name, training in trainings.items()}
    start = time.process_time()
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
        {"accuracy": "accuracy", "mean cosine": "mean cosine similarity", "cosine_written mlp 1": "of target_pos"},
    )
    shown = {f"{name}, d = 12": superposition(training.compressed(12)) for name, training in trainings.items()}
    heat_maps(OUT / "sort_unique-heatmap.svg", labels, shown)
    rows = [_verdict_row(name, d, compressed, judged, inputs) for name, d, compressed, judged in verdicts]
    _write(
        "sort_unique",
        seconds,
        start,
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
    low = [row for row in near if row["cosine"] <= 0.9]
    yield Claim(
        "accuracy is close to 1 while the average cosine similarity stays well below",
        "accuracy at least 0.99 and average at most 0.9, at some size",
        "; ".join(f"d = {row['d']}: {row['accuracy']:.3f}, {row['cosine']:.2f}" for row in near) or "no such run",
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
    faithful = [row for row in rows if row["trained"] == "with interchange loss" and row["faithful"]]
    yield Claim(
        "(beyond the paper) a compression that stays faithful exists",
        "a run with interchange loss whose verdict is faithful",
        "; ".join(f"d = {row['d']}: accuracy {row['accuracy']:.3f}" for row in faithful) or "no such run",
        bool(faithful),
    )


def _verdict_row(
    name: str, d: int, model: CompressedModel, judged: Verdict, inputs: Sequence[Sequence[str]]
) -> dict[str, Any]:
    line = value_line(model, "target_pos", inputs)
    (target_pos,) = (each for each in judged.variables if each.variable == "target_pos")
    return {
        "trained": name,
        "d": d,
        "accuracy": judged.accuracy,
        "cosine": mean_cosine(judged.measures),
        "cosine mlp 1": judged.measures["cosine_written mlp 1"],
        "written": target_pos.written,
        "own": target_pos.own,
        "compiled": target_pos.compiled,
        "worst": judged.worst.variable if judged.worst else "-",
        "line": line.share,
        "order": line.correlation,
        "faithful": judged.faithful,
    }


# What both share -----------------------------------------------------------------------------------------------------


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


def _write(name: str, seconds: dict[str, float], start: float, **results: Any) -> None:
    seconds = seconds | {"analysis": time.process_time() - start}
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


# The report ----------------------------------------------------------------------------------------------------------


def report() -> None:
    """Both studies as one page."""
    frac, sort = (
        json.loads((OUT / f"{name}.json").read_text(encoding="utf-8")) for name in ("frac_prevs", "sort_unique")
    )
    lines = [
        "# Compression: results",
        "",
        "Made by `make compress-figures`; [Compressing](../compressing.md) says what everything means.",
    ]
    lines += _frac_prevs_section(frac) + _sort_unique_section(sort)
    (OUT / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _frac_prevs_section(results: dict[str, Any]) -> list[str]:
    exact, score = results["exact"], results["dictionary"]
    return [
        *_heading("frac_prevs: loss against size (Figure 7)", results),
        "![Loss and accuracy against d](frac_prevs-loss.svg)",
        "",
        *markdown_table(results["sizes"]),
        "",
        "![W Wᵀ, trained and by PCA](frac_prevs-heatmap.svg)",
        "",
        *_claims(results),
        "",
        f"Exactly, without training: {exact['shared']} dimensions for one shared matrix (equal on every input: "
        f"{'yes' if exact['equal'] else 'no'}), {exact['separate']} for one map in and another out; compact mode has "
        f"{results['compact']}.",
        "",
        f"### Features at d = {SMALL}",
        "",
        *markdown_table(results["features"]),
        "",
        f"Rank correlation of what the program foretells with what W does at d = {SMALL}, mean of all seeds:",
        "",
        *markdown_table(
            [{"foretold → found": name, "Spearman": value} for name, value in results["prediction"].items()]
        ),
        "",
        f"A dictionary learned from the activations: mean cosine {score['mean']:.2f} of the rows of W with the atoms "
        f"assigned to them ({score['chance']:.2f} for random atoms), {score['recovered']:.0%} of the features above "
        f"{score['threshold']}.",
        "",
        *markdown_table([{"feature": name, "cosine": value} for name, value in score["cosines"].items()]),
        "",
        "### Variants, best of two seeds after fewer steps",
        "",
        *markdown_table(
            [
                {name: row[name] for name in ("variant", "d", "output_loss", "layer_loss", "accuracy")}
                for row in results["variants"]
            ]
        ),
        "",
        "```text",
        results["verdict"],
        "```",
    ]


def _sort_unique_section(results: dict[str, Any]) -> list[str]:
    exact = results["exact"]
    details = [["", f"{name}:", "", "```text", text, "```"] for name, text in results["detail"].items()]
    return [
        *_heading("sort_unique: right answers by other means (Figure 8)", results),
        "![Accuracy and cosine similarity against d](sort_unique-cosine.svg)",
        "",
        "The best run of each size: as in the paper; begun with what is read; that, with a loss under interchange",
        "interventions. `written`, `own` and `compiled` are the evidence on target_pos; `line` and `order` say how",
        "near its values are to a number.",
        "",
        *markdown_table(results["verdicts"]),
        "",
        *_claims(results),
        *itertools.chain.from_iterable(details),
        "",
        "![W Wᵀ of both](sort_unique-heatmap.svg)",
        "",
        f"Exactly, without training: {exact['shared']} dimensions for one shared matrix (equal on every input: "
        f"{'yes' if exact['equal'] else 'no'}), {exact['separate']} for one map in and another out; compact mode has "
        f"{results['compact']}.",
    ]


def _heading(title: str, results: dict[str, Any]) -> list[str]:
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in results["processor seconds"].items())
    return ["", f"## {title}", "", f"On {results['hardware']}; processor time: {seconds}.", ""]


def _claims(results: dict[str, Any]) -> list[str]:
    return [
        "### Point by point",
        "",
        *markdown_table([claim | {"shown": "yes" if claim["shown"] else "no"} for claim in results["claims"]]),
    ]


STUDIES: dict[str, Callable[[], None]] = {"frac_prevs": frac_prevs, "sort_unique": sort_unique, "report": report}


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("study", choices=STUDIES, nargs="+")
    for name in parser.parse_args().study:
        OUT.mkdir(parents=True, exist_ok=True)
        STUDIES[name]()


if __name__ == "__main__":
    main()
