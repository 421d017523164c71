"""Command lines with something wrong in them: status 2, one line that says what, nothing written, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracrlab.cli.main import main

FILES = {
    "good.rasp": b"hist = selector_width(select(tokens, tokens, ==));\n",
    "latin.rasp": b"\xff\xfe",
    "deep.rasp": b"x = " + b"(" * 20_000 + b"1" + b")" * 20_000 + b";\n",
    "steep.rasp": b"x = " + b"-" * 30_000 + b"indices;\n",
    "loop.rasp": b'load "loop";\n',
    "raising.py": b"1/0\n",
    "broken.py": b"def (\n",
    "functions.py": b"""from tracrlab import rasp
undefined = rasp.elementwise_map(lambda x: {}[x], rasp.tokens)
nothing = None
lists = rasp.elementwise_map(lambda x: [x], rasp.tokens)
def endless(): return endless()
""",
    "other/config.json": b"{}",
    "folder.rasp/notes": b"",
}
LONG = "x" * 300
LINES = [
    *("run", "run nothing", "run latin.rasp:x --input a", "run deep.rasp:x --input a", "run steep.rasp:x --input a"),
    *("run loop.rasp:x --input a", "run raising.py:p --input a", "run broken.py:p --input a"),
    *(f"run functions.py:{name} --input a --vocab ab" for name in ("undefined", "nothing", "lists", "endless", "none")),
    *("run functions.py --input a", "run good.rasp: --input a", "run :hist --input a", "run folder.rasp:x --input a"),
    *("run other --input a", "run ./other --input a", f"run ./{LONG} --input a", f"run {LONG}.rasp:x --input a"),
    *("run reverse --vocab a,b --input c", "run reverse --max-len 0 --input a", "run reverse --max-len x --input a"),
    *(
        "run reverse --dtype float8 --input a",
        "run reverse --mode tiny --input a",
        "run reverse --tokens what --input a",
    ),
    *("run reverse --tokens ints --vocab 1,x --input 1", "info", "info nothing", "info ./other", "info good.rasp"),
    *(
        "compile reverse",
        "compile reverse -o good.rasp",
        "compile reverse -o /proc/nowhere",
    ),
    *("compile reverse --target gpt3 -o out", "compile reverse --target gpt2 -o out"),
    *(f"compile reverse --fit {fit} -o out" for fit in ("d_model=1", "d_model=x", "nothing=1")),
    *("compile reverse --mode compact --passes nothing -o out", f"compile reverse --max-len 1{'0' * 20} -o out"),
    *(
        "verify",
        "verify nothing",
        "verify ./other",
        "verify reverse --dtype int8",
        "verify reverse --exhaustive --max-len 50",
    ),
    *(
        "draw reverse --input abc -o out.gif",
        "draw nothing --input a -o out.svg",
        f"draw hist --input {LONG} -o out.svg",
    ),
    *("plot reverse zz --vocab ab -o out.svg", "plot reverse abc --kind pie -o out.svg", "plot ./other a -o out.svg"),
    *("plot reverse abc --sublayer nothing -o out.svg", "plot reverse abc --columns 3 -o out.svg"),
    *(
        "explore reverse zz --vocab ab --html out.html",
        "explore nothing --html out.html",
        "explore ./other --html out.html",
    ),
    *("playground nothing.rasp --no-browser", "playground latin.rasp --no-browser", "playground --port 99999"),
    *("print nothing", "print functions.py:undefined", "print deep.rasp:x", "print ./other"),
    *(f"compress reverse --d {d} -o out" for d in ("0", "x", "5-2", "100000 --steps 1")),
    *("compress reverse", "compress reverse --d 2 --steps 0 -o out", "compress reverse --d 2 --steps 1 -o good.rasp"),
    *("compress reverse --d 2 --steps 1 -o other", f"compress reverse --d 2 --steps 1 -o {LONG}"),
    *("repl nothing.rasp", "repl latin.rasp", "repl --dialect french", "programs x", "--nonsense", "frobnicate"),
]
WITH_ODD_ARGUMENTS = [
    ["run", "reverse", "--input", "a\0b"],
    *(["run", name, "--input", "a"] for name in ("a\0b", "./a\0b", "a\0b.py:x", "a\0b.rasp:x", "")),
    ["info", ""],
    ["compile", "reverse", "-o", "a\0b"],
    ["compress", "reverse", "--d", "2", "--steps", "1", "-o", "a\0b"],
    ["compress", "reverse", "--d", "2", "--steps", "1", "-o", ""],
    ["draw", "reverse", "--input", "", "-o", "out.svg"],
    ["repl", "--example", ""],
    ["repl", "a\0b.rasp"],
    ["print", "good.rasp:hist", "--input", '"'],
]


@pytest.mark.parametrize("line", [*map(str.split, LINES), *WITH_ODD_ARGUMENTS], ids=lambda line: " ".join(line)[:60])
def test_what_is_wrong_is_said_in_a_line(line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(main, line, input="")
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    assert result.stderr.startswith("tracrlab: ")
    assert result.stderr.count("\n") == 1
    assert "internal error" not in result.stderr
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before
