"""The model card of a compiled model: what it computes, on which inputs, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracrlab.export.kinds import has_own_code, is_language_model
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate
from tracrlab.model.circuit import Circuit, Implementation, model_circuit
from tracrlab.model.sublayers import head_name, neurons_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LABELS = """---
library_name: transformers
pipeline_tag: token-classification
tags: [RASP, tracrlab]
---
"""
_LANGUAGE_MODEL = """---
library_name: transformers
tags: [RASP, tracrlab]
---
"""


def model_card(model: Artefact, module: PreTrainedModel, certificate: Certificate | None) -> str:
    """The card in Markdown of a module of Transformers that computes ``model``.

    ``certificate`` is what verification found about ``model``, or about the module itself if it names a target.
    """
    config, circuit = model.config, model_circuit(model)
    name, text, _ = model.program[-1]
    is_lm, own_code = is_language_model(module), has_own_code(module)
    proven = own_code or (certificate is not None and certificate.target and certificate.holds)
    promise = "on every input over its vocabulary up to its length."
    checked = "on the random inputs it was checked on; it is made for all over its vocabulary up to its length."
    kind = "causal" if config.causal else "bidirectional"
    return "\n".join(
        [
            f"{_LANGUAGE_MODEL if is_lm else _LABELS}# {name}",
            "",
            "A transformer that was not trained but compiled from a RASP program by Tracr Lab. At each token it gives",
            f"the program's value there, {promise if proven else checked}",
            "",
            "```python",
            *(_language_model_example(model) if is_lm else _pipeline_example(model, trust=own_code)),
            "```",
            "",
            "| | |",
            "|---|---|",
            f"| program | `{_cell(name)} = {_cell(text)}` |",
            f"| vocabulary | {_listed([str(token) for token in config.vocab])} |",
            f"| longest input | {config.max_seq_len} tokens, without the BOS token that the tokenizer puts in front |",
            f"| labels | {_listed(list(module.config.id2label.values()))} |",
            f"| attention | {kind} |",
            f"| compiled in mode | {config.mode} |",
            "",
            "## Certificate",
            "",
            *_certificate(certificate, own_code=own_code),
            "",
            "## Program and circuit",
            "",
            "| expression | | heads | neurons | dimensions |",
            "|---|---|---|---|---|",
            *map(_row, circuit.expressions),
            "",
            "Everything is numbered from 0; dimensions are ranges `[start, end)`.",
            "",
            *_edges(circuit),
        ]
    )


def _pipeline_example(model: Artefact, *, trust: bool) -> list[str]:
    return [
        "from transformers import pipeline",
        "",
        'label = pipeline("token-classification", model=FOLDER, ignore_labels=[]'
        f"{', trust_remote_code=True' if trust else ''})",
        f"label({_example_input(model)!r})",
    ]


def _language_model_example(model: Artefact) -> list[str]:
    """How to read the answers; the logits are over tokens and then answers."""
    return [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        "model, tokenizer = AutoModelForCausalLM.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)",
        f'logits = model(**tokenizer({_example_input(model)!r}, return_tensors="pt")).logits',
        "[model.config.id2label[place] for place in logits[0, 1:].argmax(dim=-1).tolist()]  # the answer at each token",
    ]


def _example_input(model: Artefact) -> str:
    return " ".join(str(token) for token in model.config.vocab[: model.config.max_seq_len])


def _certificate(certificate: Certificate | None, *, own_code: bool) -> list[str]:
    """What is proven about the weights, in which form."""
    if certificate is None:
        return ["The model was not verified when this card was written; `verify()` of the compiled model does that."]
    whose = "whose weights these are" if own_code else "which has no norms and its own unembedding"
    what = "The model was" if certificate.target else f"The compiled model, {whose}, was"
    lines = [f"{what} verified, component by component:", ""]
    lines += ["```text", certificate.summary(), "```"]
    if certificate.holds:
        lines += ["", "It assumes:", "", *(f"- {assumption}" for assumption in certificate.assumptions)]
    return lines


def _row(part: Implementation) -> str:
    heads = ", ".join(head_name(layer, number) for layer, number in part.heads)
    neurons = ", ".join(neurons_name(each.layer, range(each.start, each.stop)) for each in part.neurons)
    dimensions = ", ".join(f"[{each.start}, {each.stop})" for each in part.holds)
    return f"| {_cell(part.expression)} | `{_cell(part.text)}` | {heads} | {neurons} | {dimensions} |"


def _edges(circuit: Circuit) -> list[str]:
    varying = [str(edge) for edge in circuit.edges if not edge.is_constant]
    return ["Edges through which something passes that depends on the input:", "", "```text", *varying, "```", ""]


def _listed(texts: tuple[str, ...] | list[str]) -> str:
    return " ".join(f"`{_cell(text)}`" for text in texts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
