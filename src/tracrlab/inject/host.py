"""The host of a graft: a causal language model of the Llama architecture, with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tracrlab.errors import InjectionError
from tracrlab.extras import require

ARCHITECTURE = "llama"


@dataclass(frozen=True, eq=False)
class Host:
    """A ``LlamaForCausalLM``, its ``tokenizer``, and its ``config``."""

    model: Any
    tokenizer: Any
    config: Any


def loaded_host(host: str | PathLike[str] | Any, tokenizer: Any = None) -> Host:
    """The host in a folder, or a model with its tokenizer.

    Raises:
        InjectionError: there is none, or it is of another architecture.
        MissingDependencyError: Transformers or PyTorch is not installed.
    """
    for package in ("torch", "transformers", "tokenizers"):
        require(package, extra="inject", purpose="a graft")
    if isinstance(host, str | PathLike):
        host, tokenizer = _read(Path(fspath(host)))
    if tokenizer is None:
        raise InjectionError("a host that is given as a model needs its tokenizer, too")
    _check(host.config)
    return Host(host, tokenizer, host.config)


def _read(folder: Path) -> tuple[Any, Any]:
    """Model and tokenizer of a folder; nothing in it is executed, and nothing is asked of a network."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    if not (folder / "config.json").is_file():
        raise InjectionError(f"{folder} holds no language model: it has no config.json")
    try:
        _check(AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, dtype="float32"
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise InjectionError(f"{folder} cannot be read as a language model: {reason:.200}") from error
    return model.eval(), tokenizer


def _check(config: Any) -> None:
    """Raise unless a graft into it can be exact.

    Raises:
        InjectionError: it cannot; says why.
    """
    if config.model_type != ARCHITECTURE:
        raise InjectionError(
            f"the host is of type {config.model_type!r}, and a graft is known to be exact in Llama only: its norm "
            "divides by a root that pinned dimensions fix; a layer norm also takes off a mean, rounded at their size"
        )
    if config.hidden_act != "silu":
        raise InjectionError(f"the host has {config.hidden_act} neurons; a graft needs silu, which multiplies exactly")
