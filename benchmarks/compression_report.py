"""The studies of compression as one page in Markdown, from the JSON files that they leave."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from benchmarks.markdown import markdown_table


def report(folder: Path) -> None:
    """Write ``results.md`` from the results of both studies in a folder."""
    frac, sort = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("frac_prevs", "sort_unique")
    )
    lines = [
        "# Compression: results",
        "",
        "Made by `make compress-figures`; [Compressing](../compressing.md) says what everything means.",
    ]
    lines += _frac_prevs_section(frac) + _sort_unique_section(sort)
    (folder / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


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
        f"### Features at d = {results['small']}",
        "",
        *markdown_table(results["features"]),
        "",
        f"Rank correlation of what the program foretells with what W does at d = {results['small']}, mean of seeds:",
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
        "### Faithful or not",
        "",
        "The best run of each size, as in the paper and with a loss under interchange interventions. `written`, `own`",
        "and `compiled` are the evidence on is_x.",
        "",
        *markdown_table(results["verdicts"]),
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
        "![W Wᵀ of each](sort_unique-heatmap.svg)",
        "",
        f"Exactly, without training: {exact['shared']} dimensions for one shared matrix (equal on every input: "
        f"{'yes' if exact['equal'] else 'no'}), {exact['separate']} for one map in and another out; compact mode has "
        f"{results['compact']}.",
    ]


def _heading(title: str, results: dict[str, Any]) -> list[str]:
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in results["processor seconds"].items())
    return ["", f"## {title}", "", f"On {results['hardware']}; processor time of the trainings: {seconds}.", ""]


def _claims(results: dict[str, Any]) -> list[str]:
    return [
        "### Point by point",
        "",
        *markdown_table([claim | {"shown": "yes" if claim["shown"] else "no"} for claim in results["claims"]]),
    ]
