"""A graft: an ordinary checkpoint of Llama, its tokenizer, and where the program is in it."""

from __future__ import annotations

from functools import cached_property
from os import PathLike

from tracrlab.files import replaced_folder
from tracrlab.inject.certificate import GraftCertificate, certify_graft
from tracrlab.inject.checkpoint import Checkpoint
from tracrlab.model.reading import folder_named, writing


class Grafted(Checkpoint):
    """What grafting makes, with what can be asked of it: see :class:`tracrlab.inject.checkpoint.Checkpoint`."""

    @cached_property
    def certificate(self) -> GraftCertificate:
        """What can be proven of the checkpoint, from its parameters.

        Raises:
            VerificationError: a program carries no claims.
        """
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
