"""The card of a case: what it is and what is true of it, for people."""

from __future__ import annotations

from tracrlab.lab.cases import Case
from tracrlab.lab.inputs import ABLATIONS


def card(case: Case) -> str:
    """The card, in Markdown."""
    config, truth = case.module.config, case.truth
    program = [f"    {name} = {text}" for name, text, _ in case.model.program]
    rows = [
        f"| `{edge}` | {'yes' if own.constant else ''} | "
        + " | ".join("yes" if own.alive.get(ablation, False) else "" for ablation in ABLATIONS)
        + f" | {own.witness.get(truth.ablation, '')} |"
        for edge, own in truth.edges.items()
        if own.structural
    ]
    causal = "causal" if config.causal else "bidirectional"
    return "\n".join(
        [
            f"# {case.name}",
            "",
            f"A transformer of {config.n_layers} layers with {config.n_heads} heads, d_model {config.d_model}, "
            f"{causal}, on inputs of at most {config.max_seq_len} of the tokens {', '.join(map(repr, config.vocab))}. "
            f"Subject *{case.subject}*: {case.made.note}.",
            "",
            "It computes",
            "",
            *program,
            "",
            f"Checked on {truth.checked}. Of {len(truth.edges):,} edges, {len(truth.circuit)} are the circuit under "
            f"*{truth.ablation}*; {len(truth.ignored)} more are structural but dead, which scores leave out. "
            "Ablating all others together changes "
            + ", ".join(f"{count} answers ({ablation})" for ablation, count in truth.joint.items())
            + ".",
            "",
            "| edge | constant | " + " | ".join(ABLATIONS) + f" | witness ({truth.ablation}) |",
            "|---" * (3 + len(ABLATIONS)) + "|",
            *rows,
            "",
        ]
    )
