"""A graft: an ordinary checkpoint of Llama, its tokenizer, and where the program is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from tracrlab.files import replaced_folder
from tracrlab.inject.host import Host
from tracrlab.inject.plan import Lanes
from tracrlab.inject.tokens import TokenMap
from tracrlab.model.artefact import Artefact
from tracrlab.model.reading import folder_named, writing

if TYPE_CHECKING:
    from tracrlab.inject.certificate import GraftCertificate


@dataclass(frozen=True, eq=False)
class Grafted:
    """What grafting makes.

    Attributes: ``model``, an ordinary ``LlamaForCausalLM`` in float32; ``tokenizer``, which puts BOS in front;
    ``lanes``: where everything is; ``sources``: the programs as they went in; ``maps``: which tokens they see;
    ``host``.
    """

    model: Any
    tokenizer: Any = field(repr=False)
    lanes: Lanes = field(repr=False)
    sources: tuple[Artefact, ...] = field(repr=False)
    maps: tuple[TokenMap, ...] = field(repr=False)
    host: Host = field(repr=False)

    @cached_property
    def certificate(self) -> GraftCertificate:
        """What can be proven of the checkpoint, from its parameters.

        Raises:
            VerificationError: a program carries no claims.
        """
        from tracrlab.inject.certificate import certify_graft

        return certify_graft(self)

    @property
    def n_params(self) -> int:
        """The number of parameters, those that are tied once."""
        return sum(value.numel() for value in self.model.parameters())

    def save_pretrained(self, path: str | PathLike[str]) -> None:
        """Write the folder ``path`` that ``AutoModelForCausalLM`` and ``AutoTokenizer`` read, with a card.

        Raises:
            ModelFileError: it cannot be written.
        """
        folder = folder_named(path)
        with writing(folder), replaced_folder(folder, last="config.json") as new:
            self.model.save_pretrained(new)
            self.tokenizer.save_pretrained(new)
            (new / "README.md").write_text(self.card, encoding="utf-8")

    @property
    def card(self) -> str:
        """A model card in Markdown: what was grafted, where it is, and what is proven."""
        names = ", ".join(program.name for program in self.lanes.programs)
        lines = [
            "---",
            "library_name: transformers",
            "tags: [tracrlab, interpretability]",
            "---",
            f"# {names}, grafted",
            "",
        ]
        lines += [f"{self.n_params:,} parameters in float32; use no other format.", "", "## Where it is", ""]
        lines += ["```text", str(self.lanes), "```", "", "## What it reads", ""]
        for program, own in zip(self.lanes.programs, self.maps, strict=True):
            answers = ", ".join(f"{value!r} says {own.texts[token]!r}" for value, token in program.tokens.items())
            lines += ["```text", str(own), f"{program.name}: {answers}", "```", ""]
        lines += ["## What is proven", "", "```text", str(self.certificate), "```", ""]
        return "\n".join(lines)
