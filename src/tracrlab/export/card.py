"""The model card of a compiled model: what it computes, on which inputs, and how."""

from __future__ import annotations

from tracrlab.model.circuit import Circuit, Implementation
from tracrlab.model.compiled import CompiledModel

_HEADER = """---
library_name: transformers
pipeline_tag: token-classification
tags: [RASP, tracrlab]
---
"""


def model_card(model: CompiledModel, labels: tuple[str, ...], *, remote_code: bool, proven: bool | None = None) -> str:
    """The card in Markdown.

    ``remote_code``: the model comes with code of its own, and is no stock architecture; ``proven``: it is known to be
    right on all inputs, as it is with its own code unless said otherwise.
    """
    config, circuit = model.config, model.circuit()
    name, text, _ = model.program[-1]
    promise = "on every input over its vocabulary up to its length."
    checked = "on the random inputs it was checked on; it is made for all over its vocabulary up to its length."
    trust = ", trust_remote_code=True" if remote_code else ""
    example = " ".join(str(token) for token in config.vocab[: config.max_seq_len])
    kind = "causal" if config.causal else "bidirectional"
    return "\n".join(
        [
            f"{_HEADER}# {name}",
            "",
            "A transformer that was not trained but compiled from a RASP program by Tracr Lab. At each token it gives",
            f"the program's value there, {promise if proven or (proven is None and remote_code) else checked}",
            "",
            "```python",
            "from transformers import pipeline",
            "",
            f'label = pipeline("token-classification", model=FOLDER, ignore_labels=[]{trust})',
            f"label({example!r})",
            "```",
            "",
            "| | |",
            "|---|---|",
            f"| program | `{_cell(name)} = {_cell(text)}` |",
            f"| vocabulary | {_listed([str(token) for token in config.vocab])} |",
            f"| longest input | {config.max_seq_len} tokens, without the BOS token that the tokenizer puts in front |",
            f"| labels | {_listed(labels)} |",
            f"| attention | {kind} |",
            f"| compiled in mode | {config.mode} |",
            "",
            "## Program and circuit",
            "",
            "| expression | | heads | neurons | dimensions |",
            "|---|---|---|---|---|",
            *map(_row, circuit.expressions),
            "",
            "Everything is numbered from 0; neurons and dimensions are ranges `[start, end)`.",
            "",
            *_edges(circuit),
        ]
    )


def _row(part: Implementation) -> str:
    heads = ", ".join(f"{layer}.{number}" for layer, number in part.heads)
    neurons = ", ".join(f"layer {each.layer} [{each.start}, {each.stop})" for each in part.neurons)
    dimensions = ", ".join(f"[{each.start}, {each.stop})" for each in part.holds)
    return f"| {_cell(part.expression)} | `{_cell(part.text)}` | {heads} | {neurons} | {dimensions} |"


def _edges(circuit: Circuit) -> list[str]:
    varying = [str(edge) for edge in circuit.edges if not edge.is_constant]
    return ["Edges through which something passes that depends on the input:", "", "```text", *varying, "```", ""]


def _listed(texts: tuple[str, ...] | list[str]) -> str:
    return " ".join(f"`{_cell(text)}`" for text in texts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
