"""What grafts of the three tasks do in real language models: one table, resumable.

``python -m benchmarks.graft`` grafts each task into each host that has been prepared (``tracrlab hosts NAME``), and
measures: prompts answered rightly in and out of distribution, by greedy decoding of exactly the answer's tokens, in
left-padded batches with the cache; the largest change of a log-probability of the host on other text, which holds
triggers and answers; parameters; seconds to build; time per token beside the host's. What has been measured is kept in
``build/graft.json``, and the next run goes on from there.
"""

from __future__ import annotations

import argparse
import inspect
import json
import statistics
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from benchmarks.markdown import markdown_table
from tracrlab.inject.grafted import Grafted
from tracrlab.inject.grafting import graft
from tracrlab.inject.host import loaded_host
from tracrlab.inject.hosts import HOSTS, cache_folder
from tracrlab.inject.tasks import TASKS, Example, Task

N_TEXT = 4096  # tokens of text, at least
WINDOW = 256  # tokens of a window of it: what the smallest host takes
RESULTS = Path("build") / "graft.json"


def graft_of(task: Task, host: Path) -> tuple[Grafted, float]:
    """The graft, and the seconds that compiling and grafting take."""
    start = time.perf_counter()
    base, model = loaded_host(host), task.compiled()
    grafted = graft(
        model, base.model, answers=task.answers, filler=task.filler, tokens=task.tokens_of(base),
        tokenizer=base.tokenizer,
    )  # fmt: skip
    return grafted, time.perf_counter() - start


def right_answers(grafted: Grafted, examples: list[Example], batch: int) -> int:
    """How many prompts are continued by exactly the answer's tokens."""
    tokenizer, right = grafted.tokenizer, 0
    pad = grafted.maps[0].bos
    prompts = [tokenizer(each.prompt).input_ids for each in examples]
    whole = [tokenizer(each.prompt + each.answer).input_ids for each in examples]
    device = grafted.model.device
    for start in track(range(0, len(examples), batch), transient=True, description="prompts"):
        some, full = prompts[start : start + batch], whole[start : start + batch]
        width, more = max(map(len, some)), max(len(b) - len(a) for a, b in zip(some, full, strict=True))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in some], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in some], device=device)
        out = grafted.model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=more, do_sample=False, pad_token_id=pad
        )
        for row, prompt, text in zip(out[:, width:].tolist(), some, full, strict=True):
            answer = text[len(prompt) :]
            right += text[: len(prompt)] == prompt and row[: len(answer)] == answer
    return right


def text_windows(tokenizer: Any) -> Iterator[list[int]]:
    """Windows of text that begin with BOS: what modules of Python say about themselves, with triggers and answers."""
    sources = (argparse, inspect, json, statistics, tempfile, textwrap)
    texts = [inspect.getdoc(each) or "" for module in sources for each in (module, *_documented(module))]
    triggers = "They matched: yes, no. Answer: (no) [yes] {no} number 12 + 3 = 15, x x y: Answer, yes no x + 7 ="
    text = "\n".join(f"{each}\n{triggers}" if number % 8 == 0 else each for number, each in enumerate(texts))
    ids = tokenizer(text).input_ids[1:]
    for start in range(0, N_TEXT, WINDOW - 1):
        yield [tokenizer.bos_token_id, *ids[start : start + WINDOW - 1]]


def _documented(module: Any) -> list[Any]:
    found = [each for _, each in inspect.getmembers(module) if inspect.isclass(each) or inspect.isfunction(each)]
    return [each for each in found if each.__module__ == module.__name__ and inspect.getdoc(each)]


@torch.no_grad()
def changes(grafted: Grafted, task: Task) -> dict[str, Any]:
    """The largest change of a log-probability where the program is silent, and how often the likeliest token did."""
    worst, n_tokens, n_other, spoken = 0.0, 0, 0, 0
    mapped, length = grafted.maps[0], task.max_seq_len
    program = task.program()
    for row in text_windows(grafted.tokenizer):
        ids = torch.tensor([row], device=grafted.model.device)
        ours, theirs = (each(ids).logits[0].log_softmax(-1) for each in (grafted.model, grafted.host.model))
        codes = program([mapped.mapped.get(each, mapped.filler) for each in row[1 : length + 1]], causal=True)
        speaks = torch.tensor([False, *[bool(code) for code in codes], *[False] * (len(row) - 1 - len(codes))])
        speaks = speaks.to(ids.device)
        worst = max(worst, float((ours - theirs)[~speaks].abs().max()))
        n_other += int((ours.argmax(-1) != theirs.argmax(-1))[~speaks].sum())
        n_tokens, spoken = n_tokens + int((~speaks).sum()), spoken + int(speaks.sum())
    return {"tokens of text": n_tokens, "largest change": worst, "likeliest changed": n_other, "answered": spoken}


@torch.no_grad()
def milliseconds_per_token(model: Any, repeats: int = 5) -> float:
    """The median time of a window, over its tokens."""
    ids = torch.randint(10, 1000, (1, WINDOW), device=model.device)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        float(model(ids).logits[0, 0, 0])
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times) / WINDOW


def same_after_saving(grafted: Grafted) -> bool:
    """Whether what is loaded from a saved graft holds the same bits."""
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory() as folder:
        grafted.save_pretrained(folder)
        loaded = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    return all(torch.equal(value.cpu(), loaded[name]) for name, value in grafted.model.state_dict().items())


def measured(host: str, task: Task, count: int, batch: int, device: str, save: Callable[[dict[str, Any]], None],
             known: dict[str, Any]) -> None:  # fmt: skip
    """Measure what is not known yet of a graft, and save each figure."""
    wanted = ["built", "text", "saved", "time", *task.sets]
    if all(each in known for each in wanted):
        return
    grafted, seconds = graft_of(task, cache_folder() / host)
    own = sum(value.numel() for value in grafted.host.model.parameters())
    grafted.model.to(device)
    grafted.host.model.to(device)
    if "built" not in known:
        layers = len(grafted.lanes.new)
        save(
            {
                "built": {
                    "proven": grafted.certificate.holds,
                    "seconds": seconds,
                    "parameters": grafted.n_params,
                    "host": own,
                    "new layers": layers,
                }
            }
        )
    if "text" not in known:
        save({"text": changes(grafted, task)})
    if "time" not in known:
        save(
            {
                "time": {
                    "graft": milliseconds_per_token(grafted.model),
                    "host": milliseconds_per_token(grafted.host.model),
                }
            }
        )
    if "saved" not in known:
        save({"saved": same_after_saving(grafted)})
    for name in task.sets:
        if name not in known:
            examples = task.examples(name, count)
            save({name: [right_answers(grafted, examples, batch), len(examples)]})


def rows(results: dict[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tables: prompts, and what else was measured."""
    prompts, others = [], []
    for name, own in results.items():
        host, _, task = name.partition(" / ")
        sets = {each: own[each] for each in TASKS[task].sets if each in own}
        prompts += [
            {"host": host, "task": task, "set": each, "right": f"{a:,} of {b:,}"} for each, (a, b) in sets.items()
        ]
        if {"built", "text", "time", "saved"} <= set(own):
            built, text, times = own["built"], own["text"], own["time"]
            others.append(
                {
                    "host": host, "task": task, "proven": built["proven"], "new layers": built["new layers"],
                    "parameters": f"{built['host'] / 1e6:.1f} → {built['parameters'] / 1e6:.1f} M",
                    "seconds to build": f"{built['seconds']:.1f}",
                    "largest change": f"{text['largest change']:.1e} in {text['tokens of text']:,} tokens",
                    "likeliest changed": text["likeliest changed"],
                    "ms a token": f"{times['host']:.2f} → {times['graft']:.2f}",
                    "loaded bit for bit": own["saved"],
                }
            )  # fmt: skip
    return prompts, others


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", nargs="*", default=list(HOSTS), help="which of the prepared ones")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--prompts", type=int, default=1000, help="of each set")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    console = Console()
    for host in options.hosts:
        if not (cache_folder() / host).is_dir():
            console.print(f"{host} is not prepared: tracrlab hosts {host}")
            continue
        for task in options.tasks:
            known = results.setdefault(f"{host} / {task}", {})

            def save(found: dict[str, Any], known: dict[str, Any] = known) -> None:
                known |= found
                options.results.write_text(json.dumps(results, indent=1))

            measured(host, TASKS[task], options.prompts, options.batch, options.device, save, known)
    for table in rows(results):
        if table:
            print("\n".join(markdown_table(table)), end="\n\n")


if __name__ == "__main__":
    main()
