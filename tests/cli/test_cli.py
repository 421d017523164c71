"""The command ``tracrlab``: what it prints, and one line for everything that can be wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Set
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tracrlab
from tracrlab.cli.main import main
from tracrlab.compiler.compact.passes import Passes
from tracrlab.model.certificate import Certificate
from tracrlab.rasp.library import PROGRAMS

PROGRAM = """\
from tracrlab import rasp
first = rasp.aggregate(rasp.select(rasp.indices, 0, rasp.Comparison.EQ), rasp.tokens).named("first")
double = (rasp.tokens * 2).named("double")
same = rasp.select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)
mixed = rasp.aggregate(rasp.select(rasp.tokens, rasp.tokens, rasp.Comparison.NEQ), rasp.tokens)
def hist(): return rasp.selector_width(same).named("hist")
def previous(): return rasp.aggregate(rasp.select(rasp.indices, rasp.indices - 1, rasp.Comparison.EQ), rasp.tokens)
def greeting(name): return name
def failing(): return 1 / 0
def leave(x): raise SystemExit(0)
leaving = rasp.elementwise_map(leave, rasp.tokens)
strange = rasp.elementwise_map(lambda x: x + "[red]", rasp.tokens).named("a\\nb\\x1b[31m[bold]")
number = 3
"""

MODEL_FILES = ("config.json", "model.safetensors", "claims.json", "claims.safetensors")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory but for a program file, and a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "mine.py").write_text(PROGRAM)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def output_of(*arguments: str) -> str:
    result = invoke(*arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def rows_of(text: str) -> dict[str, list[str]]:
    """The rows of a printed table that have a name, without that of the sublayer."""
    lines = [re.sub(r"^(embed|output|[am]\d+) +", "", line).split() for line in text.splitlines()]
    return {name: cells for name, *cells in filter(None, lines)}


def error_of(*arguments: str, files: Set[str] = frozenset({"mine.py"})) -> str:
    """The only line that a command with something wrong prints; it leaves no files behind."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("tracrlab: ")
    assert result.stderr.count("\n") == 1
    assert {str(path.relative_to(Path.cwd())) for path in Path.cwd().rglob("*")} == files
    return result.stderr


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from tracrlab.cli.main import main; main()", *arguments]


class TestPrograms:
    def test_lists_every_program(self) -> None:
        assert set(PROGRAMS) <= set(rows_of(output_of("programs")))

    @pytest.mark.parametrize("width", ["80", "120"])
    def test_fits(self, width: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", width)
        assert max(map(len, output_of("programs").splitlines())) <= int(width)


class TestRun:
    def test_library_program(self) -> None:
        rows = rows_of(output_of("run", "reverse", "--vocab", "abc", "--input", "cab"))
        assert rows["token"] == ["c", "a", "b"]
        assert rows["reverse"] == ["b", "a", "c"]

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_examples_of_the_library(self, name: str) -> None:
        rows = rows_of(output_of("run", name, "--interpreter"))
        assert rows["token"] == list(PROGRAMS[name].example_input)
        assert len(rows[name]) == len(rows["interpreter"]) == len(rows["token"])  # that they are equal, the status says

    def test_s_op_in_a_file(self) -> None:
        printed = output_of("run", "mine.py:first", "--vocab", "the,cat", "--input", "cat the")
        assert rows_of(printed)["first"] == ["cat", "cat"]

    def test_function_in_a_file(self, folder: Path) -> None:
        printed = output_of("run", str(folder / "mine.py:hist"), "--vocab", "ab", "--input", "bab")
        assert rows_of(printed)["hist"] == ["2", "1", "2"]

    def test_numbers(self) -> None:
        arguments = ("run", "mine.py:double", "--vocab", "1,2,3", "--input")
        assert rows_of(output_of(*arguments, "3 1"))["double"] == ["6", "2"]
        assert rows_of(output_of(*arguments, "31"))["double"] == ["6", "2"]

    def test_none_is_a_dash(self) -> None:
        assert output_of("run", "mine.py:previous", "--vocab", "ab-", "--input", "a-b").split()[-3:] == [
            "-",
            "a",
            "'-'",
        ]

    def test_causal(self) -> None:
        printed = output_of("run", "hist", "--vocab", "ab", "--input", "aab", "--causal", "--interpreter")
        assert rows_of(printed)["hist"] == rows_of(printed)["interpreter"] == ["1", "2", "1"]

    def test_special_tokens(self) -> None:
        arguments = ("run", "reverse", "--vocab", "bos,pad", "--input", "pad bos", "--bos", "^", "--pad", "$")
        assert rows_of(output_of(*arguments))["reverse"] == ["bos", "pad"]

    def test_names_are_text(self) -> None:
        printed = output_of("run", "mine.py:strange", "--vocab", "ab", "--input", "a")
        assert "a b\\x1b[31m[bold]" in printed
        assert "a[red]" in printed

    def test_long_input_takes_several_tables(self) -> None:
        text = "abcd" * 12
        lines = output_of("run", "hist", "--vocab", "abcd", "--input", text).splitlines()
        assert max(map(len, lines)) <= 80
        assert "".join("".join(line.split()[1:]) for line in lines if line.startswith("token")) == text

    def test_empty_input(self) -> None:
        assert rows_of(output_of("run", "hist", "--input", ""))["hist"] == []


class TestCompile:
    def test_saves_a_model(self) -> None:
        printed = output_of("compile", "sort", "--vocab", "abc", "--max-len", "5", "-o", "out/sort")
        assert printed.startswith("CompiledModel sort")
        assert "saved in out/sort" in printed
        model = tracrlab.load("out/sort")
        assert model("cab") == ["a", "b", "c"]
        assert (model.config.max_seq_len, model.config.dtype, model.config.causal) == (5, "float32", False)

    def test_saves_a_stock_architecture_with_its_certificate(self) -> None:
        printed = output_of(
            "compile", "shift_by", "--vocab", "ab", "--max-len", "3", "--causal", "--target", "llama", "-o", "llama"
        )
        assert printed.endswith("saved in llama as llama\n")
        certificate = Certificate.from_json(Path("llama/certificate.json").read_text())
        assert certificate.holds
        assert certificate.target.startswith("Llama")
        assert json.loads(Path("llama/config.json").read_text())["architectures"] == ["LlamaForTokenClassification"]

    def test_options_reach_the_compiler(self) -> None:
        output_of(
            "compile", "mine.py:hist", "--vocab", "1,2", "-o", "m", "--causal", "--dtype", "float64", "--bos", "<"
        )
        config = tracrlab.load("m").config
        assert config.vocab == (1, 2)
        assert (config.causal, config.dtype, config.bos, config.max_seq_len) == (True, "float64", "<", 8)

    def test_saved_model_runs_without_its_program(self, folder: Path) -> None:
        output_of("compile", "mine.py:double", "--vocab", "1,2,3", "-o", "model")
        (folder / "mine.py").unlink()
        assert rows_of(output_of("run", "model", "--input", "312"))["double"] == ["6", "2", "4"]
        assert "double" in output_of("trace", "model", "--input", "3 1")
        assert "double" in output_of("info", "model")

    def test_folder_named_like_a_program(self) -> None:
        output_of("compile", "frac_prevs", "--vocab", "abcx", "--max-len", "5", "-o", "frac_prevs")
        assert "0.3333" in output_of("run", "frac_prevs", "--input", "xacx")
        assert rows_of(output_of("run", "frac_prevs", "--vocab", "xyz", "--input", "yz"))["token"] == ["y", "z"]


class TestDraw:
    def test_writes_a_drawing(self) -> None:
        assert output_of("draw", "reverse", "--input", "abc", "-o", "flow.svg") == "drawn in flow.svg\n"
        assert 'reverse("abc")' in Path("flow.svg").read_text(encoding="utf-8")

    def test_draws_programs_of_files(self) -> None:
        output_of("draw", "mine.py:hist", "--input", "aba", "-o", "hist.png")
        assert Path("hist.png").read_bytes().startswith(b"\x89PNG")

    def test_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert "pip install 'tracrlab[viz]'" in error_of("draw", "sort", "--input", "ab", "-o", "sort.svg")


class TestCompact:
    def test_runs_and_traces(self) -> None:
        assert "a  b  c" in output_of("run", "sort", "--mode", "compact", "--vocab", "abc", "--input", "cab")
        assert "target_pos" in output_of("trace", "sort", "--mode", "compact", "--vocab", "abc", "--input", "cab")

    def test_explains_every_pass(self) -> None:
        printed = output_of("compile", "hist", "--vocab", "abc", "--explain")
        for name in ("faithful", *Passes.descriptions()):
            assert len(re.findall(rf"^{name} ", printed, re.MULTILINE)) == 2
        assert "…" not in printed
        assert max(map(len, printed.splitlines())) <= 80
        model = tracrlab.compile(PROGRAMS["hist"].build(), "abc", 8, mode="compact")
        last = printed.splitlines()[-1].split()
        assert (last[0], last[2], last[-1]) == ("reuse", str(model.config.d_model), f"{model.config.n_parameters:,}")

    def test_explains_the_passes_that_are_on(self) -> None:
        printed = output_of("compile", "hist", "--explain", "--mode", "compact", "--passes=codes,cse")
        assert [line.split()[0] for line in printed.splitlines()[-5:]] == [
            "pass",
            "faithful",
            "compact",
            "cse",
            "codes",
        ]
        assert "belongs to --mode compact" in error_of("compile", "hist", "--explain", "--passes=-codes")

    def test_explains_the_nodes_before_and_after_rewriting(self) -> None:
        printed = output_of("compile", "sort", "--vocab", "abc", "--max-len", "12", "--explain")
        before, after = printed.split("The same, rewritten")
        assert '%1 "indices" @1: positions -> 0..11' in before
        assert "indices.digit1" in after
        assert "indices.digit1" not in before
        assert "The same" not in output_of("compile", "hist", "--vocab", "abc", "--explain")

    def test_explains_a_program_that_is_refused_but_with_some_passes(self) -> None:
        printed = output_of("compile", "reverse", "--vocab", "abc", "--max-len", "5", "--fit", "d_model=7", "--explain")
        rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[-19:]}
        assert rows["faithful"] == rows["compact"] == ["refused"]
        assert rows["reuse"][1] == "7"
        assert "no mean" in error_of("compile", "mine.py:mixed", "--vocab", "abc", "--explain")

    def test_fits_a_shape(self) -> None:
        assert "saved" in output_of("compile", "hist", "--fit", "n_layers=3, d_model=40", "-o", "model")
        config = tracrlab.load("model").config
        assert (config.n_layers, config.d_model) == (3, 40)

    def test_passes_can_be_named(self) -> None:
        output_of("compile", "hist", "--vocab", "abc", "--mode", "compact", "--passes=-codes,-bends", "-o", "model")
        assert tracrlab.load("model")("abca") == [2, 1, 1, 2]


class TestInfo:
    def test_says_what_the_model_is(self) -> None:
        output_of("compile", "sort_unique", "--vocab", "abc", "--max-len", "4", "-o", "model")
        printed = output_of("info", "model")
        model = tracrlab.load("model")
        assert f"d_model {model.config.d_model}" in printed
        assert f"{model.config.n_parameters:,} float32, {model.weights.n_nonzero:,} of them not zero" in printed
        assert "3 tokens: a b c" in printed
        assert "at most 4 tokens" in printed
        assert re.search(r"^smaller +select\(tokens, tokens, <\) +library.py:\d+", printed, re.MULTILINE)
        assert re.search(r"^a0\.h0 +target_pos.attn +target_pos", printed, re.MULTILINE)
        assert re.search(r"^m0\.n0–\d+ +target_pos +target_pos", printed, re.MULTILINE)
        start, width = model.labels.variable(model.output_name).start, model.output.width
        assert re.search(rf"^{start}–{start + width - 1} +sort_unique +a1 +one-hot +a b c -", printed, re.MULTILINE)
        assert max(map(len, printed.splitlines())) <= 80

    @pytest.mark.parametrize(
        "arguments",
        [("hist",), ("mine.py:hist", "--vocab", "cab"), ("mine.py", "--program", "hist", "--vocab", "c,a", "--causal")],
    )
    def test_of_a_program_is_that_of_its_model(self, arguments: tuple[str, ...]) -> None:
        printed = output_of("info", *arguments, "--max-len", "5")
        output_of("compile", *arguments, "--max-len", "5", "-o", "model")
        assert printed == output_of("info", "model")

    def test_says_whether_a_model_is_proven(self) -> None:
        output_of("compile", "hist", "-o", "model")
        assert "not proven" in output_of("info", "model")
        output_of("compile", "hist", "--prove", "-o", "model")
        assert "proven equal to its program, as the files say" in output_of("info", "model")

    def test_values_that_a_code_does_not_tell_apart_stand_side_by_side(self) -> None:
        printed = output_of("info", "dyck", "--max-len", "6", "--mode", "compact")
        assert re.search(r"^\d+ +selector_width_1 +m3 +code +1\|2\|3\|4\|5\|6 0", printed, re.MULTILINE)
        assert re.search(r"^\d+ +partner +a2 +code +.*'\)'\|'}'\|''", printed, re.MULTILINE)

    def test_program_in_a_file_without_a_vocabulary(self, folder: Path) -> None:
        (folder / "mine.rasp").write_text(
            'previous = aggregate(select(indices, indices - 1, ==), tokens, "-");\n'
            "repeats = selector_width(select(previous == tokens, True, ==));\n"
        )
        printed = output_of("info", "mine.rasp:repeats")
        assert re.search(r"^output +repeats *$", printed, re.MULTILINE)
        assert re.search(r"^attention +2 layers at least, of at most 1 head *$", printed, re.MULTILINE)
        for count in ("2 Map", "2 Select", "1 SelectorWidth", "1 MeanAggregate", "1 SequenceMap"):
            assert re.search(rf"\b{count}\b", " ".join(printed.split()))
        assert re.search(r"^previous +mean_aggregate\(.* +mine.rasp:1", printed, re.MULTILINE)
        assert re.search(r"^repeats +selector_width\(.* +mine.rasp:2", printed, re.MULTILINE)
        assert "--vocab" in printed
        assert max(map(len, printed.splitlines())) <= 80

    def test_source_as_a_program(self, folder: Path) -> None:
        (folder / "mine.rasp").write_text("p = tokens;\n")
        assert "0 layers at least" in output_of("info", "mine.rasp:p")

    def test_rasp_file_is_run_on_tokens_of_the_vocabulary(self, folder: Path) -> None:
        (folder / "mine.rasp").write_text("p = 2 * tokens_int;\n")
        assert "one-hot  2 4" in output_of("info", "mine.rasp:p", "--vocab", "12")
        output_of("compile", "mine.rasp:p", "--vocab", "12", "-o", "model")
        assert rows_of(output_of("run", "model", "--input", "211"))["p"] == ["4", "2", "2"]


class TestPrint:
    def test_python_program(self) -> None:
        expected = "hist = selector_width(select(tokens_asis, tokens_asis, ==));\n"
        assert output_of("print", "mine.py:hist") == output_of("print", "mine.py", "--program", "hist") == expected
        assert output_of("print", "hist") == expected

    def test_what_is_printed_runs(self, folder: Path) -> None:
        (folder / "a.rasp").write_text('set example "12"\ndigit = tokens_int;\nx = digit + digit[0];\nx % 3;\n')
        printed = invoke("print", "a.rasp:out").stdout_bytes
        (folder / "b.rasp").write_bytes(printed)
        assert printed.startswith(b'set example "12"\nx = tokens_int + ')
        assert invoke("print", "b.rasp:out").stdout_bytes == printed
        outputs = [output_of("run", f"{file}.rasp:out", "--vocab", "123", "--input", "312") for file in "ab"]
        assert outputs[0] == outputs[1]

    def test_running_example_of_the_command_line(self, folder: Path) -> None:
        (folder / "a.rasp").write_text("x = tokens_int + 1;")
        text = output_of("print", "a.rasp:x", "--input", "1 2")
        assert text == output_of("print", "mine.py:double", "--input", "1 2").replace(
            "double = tokens_asis * 2", "x = tokens_int + 1"
        )
        assert text == 'set example ["1", "2"]\nx = tokens_int + 1;\n'

    def test_text_is_utf8_whatever_the_terminal(self, folder: Path) -> None:
        (folder / "a.rasp").write_text('x = tokens == "§";', encoding="utf-8")
        environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        run = subprocess.run(python("print", "a.rasp:x"), capture_output=True, env=environment, check=True)
        assert run.stdout == 'x = tokens == "§";\n'.encode()


class TestVerify:
    def test_certificate_of_a_program(self, folder: Path) -> None:
        printed = output_of("verify", "reverse", "--mode", "compact", "--max-len", "5", "-o", "certificate.json")
        assert printed.startswith("Certificate: reverse in float32, on all inputs of up to 5 of 4 tokens: equal to the")
        certificate = Certificate.from_json((folder / "certificate.json").read_text())
        assert certificate.holds
        assert printed == certificate.summary() + "\n"
        assert {path.name for path in folder.iterdir()} == {"mine.py", "certificate.json"}

    def test_saved_model_and_its_program(self) -> None:
        output_of("compile", "mine.py:hist", "--vocab", "abc", "--max-len", "4", "-o", "model")
        assert output_of("verify", "model").startswith("Certificate: hist")
        printed = output_of("verify", "model", "--program", "mine.py:hist", "--exhaustive")
        assert "120 inputs run" in printed.splitlines()[0]

    def test_another_program_is_status_1_and_an_input(self) -> None:
        output_of("compile", "mine.py:hist", "--vocab", "abc", "--max-len", "4", "-o", "model")
        result = invoke("verify", "model", "--program", "length", "--exhaustive")
        assert (result.exit_code, result.stderr) == (1, "")
        assert "the model says [1, 1], the program [2, 2]" in result.stdout.splitlines()[0]

    def test_format_that_does_not_hold_the_program_is_status_1(self) -> None:
        output_of("compile", "hist", "--mode", "compact", "-o", "model")
        result = invoke("verify", "model", "--dtype", "float16")
        assert (result.exit_code, result.stderr) == (1, "")
        assert result.stdout.splitlines()[0].endswith("weights: some are not finite in float16")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["hist", "--max-len", "40", "--exhaustive"], "too many to run all"),
            (["hist", "-o", "nowhere/certificate.json"], "there is no folder"),
            (["hist", "--target", "gpt2"], "GPT-2 is causal"),
            (["hist", "--target", "bert", "--exhaustive"], "inputs are run in the model itself"),
            (["hist", "-o", "."], "cannot write .: Is a directory"),
            (["nothing"], "no program 'nothing'"),
            (["./nothing"], "cannot read config.json"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, arguments: list[str], message: str) -> None:
        assert message in error_of("verify", *arguments)

    def test_saved_model_without_claims_or_program(self, folder: Path) -> None:
        output_of("compile", "hist", "-o", "model")
        files = {"mine.py", "model", *(f"model/{name}" for name in MODEL_FILES)}
        assert "needs the program" in error_of("verify", "model", "--exhaustive", files=files)
        run = ("verify", "model", "--program", "hist", "--exhaustive", "--dtype", "bfloat16")
        assert "own number format, float32" in error_of(*run, files=files)
        assert "leave out --causal" in error_of("verify", "./model", "--causal", files=files)
        config = json.loads((folder / "model" / "config.json").read_text())
        for name in ("claims_sha256", "claim_arrays_sha256", "config_sha256"):
            del config[name]
        (folder / "model" / "config.json").write_text(json.dumps(config))
        assert "compile its program again" in error_of("verify", "model", files=files)


class TestTrace:
    ARGUMENTS = ("trace", "sort_unique", "--vocab", "abcd", "--input", "dab")

    def test_says_where_the_program_builds_what_is_traced(self) -> None:
        Path("flip.rasp").write_text(
            "opposite = length - indices - 1;\nflip = aggregate(select(indices, opposite, ==), tokens);\n"
        )
        printed = output_of("trace", "flip.rasp:flip", "--vocab", "abc", "--input", "ab", "--sources")
        assert re.search(r"^opposite +\(length - indices\) - 1 +flip\.rasp:1$", printed, re.MULTILINE)
        assert re.search(r"^flip .* flip\.rasp:2$", printed, re.MULTILINE)

    def test_table(self) -> None:
        printed = output_of(*self.ARGUMENTS)
        assert [line.split() for line in printed.splitlines() if line.strip()] == [
            ["0", "1", "2"],
            ["variable", "d", "a", "b"],
            [printed.splitlines()[2]],
            ["embed", "tokens", "d", "a", "b"],
            ["indices", "0", "1", "2"],
            ["m0", "target_pos", "2", "0", "1"],
            ["a1", "sort_unique", "a", "b", "d"],
            ["output", "sort_unique", "a", "b", "d"],
            ["4", "intermediate", "results", "not", "shown:", "--all", "shows", "them"],
            ["m1:", "nothing", "written"],
        ]

    def test_all(self) -> None:
        assert "target_pos.attn" not in output_of(*self.ARGUMENTS)
        assert rows_of(output_of(*self.ARGUMENTS, "--all"))["target_pos.attn"] == ["0.3333", "1.0", "0.5"]

    def test_patterns(self) -> None:
        printed = output_of(*self.ARGUMENTS, "--patterns")
        grid = printed.partition("a1.h0 writes sort_unique")[2]
        assert grid
        assert rows_of(grid)["b"] == ["·", "1", "·", "·"]  # the last of three moves the first letter there
        assert [line.split()[0] for line in grid.splitlines()[3:7]] == ["bos", "d", "a", "b"]

    def test_none_is_a_dash(self) -> None:
        arguments = ("trace", "shift_by", "--vocab", "ab", "--input", "ba")
        assert rows_of(output_of(*arguments))["shift_by"] == ["-", "b"]

    @pytest.mark.parametrize("width", [30, 80, 120])
    def test_fits(self, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", str(width))
        printed = output_of("trace", "frac_prevs", "--input", "xyz" * 10, "--patterns", "--all")
        assert max(map(len, printed.splitlines())) <= width

    def test_output_that_knows_ascii_only(self) -> None:
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        run = subprocess.run(python("trace", "sort", "--patterns"), capture_output=True, env=environment, check=True)
        assert run.stdout.isascii()
        assert b"target_pos" in run.stdout


BAD = {
    "no such program": (("run", "frac_prev"), r"'frac_prev'.*did you mean frac_prevs, .* or "),
    "nothing like it": (("run", "qqqqq"), r"no program 'qqqqq' .*'tracrlab programs'"),
    "file without a name": (("run", "mine.py"), r"mine\.py:my_program"),
    "name not in the file": (("run", "mine.py:fist"), r"mine\.py defines no 'fist'; did you mean .*first"),
    "no such file": (("run", "nofile.py:x"), r"cannot read nofile\.py: No such file"),
    "no such folder": (("run", "./nothing"), r"cannot read config\.json in nothing"),
    "folder without a model": (("info", "."), r"cannot read config\.json in \."),
    "folder with options": (("info", "./nothing", "--max-len", "3"), "leave out --max-len"),
    "program without a vocabulary": (("info", "mine.py:first", "--max-len", "3"), "--vocab"),
    "no program to describe": (("info", "sortt"), "did you mean sort"),
    "refused program to describe": (("info", "mine.py:mixed", "--vocab", "abc"), r"mine\.py:5.*no mean"),
    "folder to compile": (("compile", ".", "-o", "out"), "is a folder"),
    "selector": (("run", "mine.py:same"), "is a selector"),
    "function with arguments": (("run", "mine.py:greeting"), "takes arguments"),
    "number": (("run", "mine.py:number"), r"not an s-op but int \(3\)"),
    "function that fails": (("run", "mine.py:failing"), r"mine\.py:9: ZeroDivisionError: division by zero"),
    "function that exits": (("run", "mine.py:leaving", "--vocab", "ab", "--input", "a"), r"fails on 'a' \(SystemExit"),
    "no vocabulary": (("run", "mine.py:first", "--input", "a"), "--vocab"),
    "no input": (("run", "mine.py:first", "--vocab", "ab"), "--input"),
    "empty vocabulary": (("run", "sort", "--vocab", "", "--input", "a"), "--vocab is empty"),
    "word among numbers": (("run", "sort", "--vocab", "1,x", "--tokens", "numbers"), "'x' in --vocab"),
    "unknown token": (("run", "sort", "--input", "31x"), r"'x' of the input is not in the vocabulary \(4 3 2 1\)"),
    "unknown word": (("run", "hist", "--vocab", "the cat", "--input", "the dog"), "'dog'"),
    "input too long": (("run", "sort", "--max-len", "2"), "5 tokens, but --max-len is 2"),
    "length of zero": (("run", "sort", "--max-len", "0"), "--max-len"),
    "length no number": (("compile", "sort", "--max-len", "x", "-o", "out"), "--max-len"),
    "bos in the vocabulary": (("run", "sort", "--bos", "4"), "BOS"),
    "bos is pad": (("run", "sort", "--bos", "pad"), "must differ"),
    "number format": (("run", "sort", "--dtype", "int8"), "float32"),
    "refused program": (("compile", "mine.py:mixed", "--vocab", "abc", "-o", "out/model"), r"mine\.py:5.*no mean"),
    "target sees no later tokens": (("compile", "reverse", "--target", "llama", "-o", "out"), "Llama is causal"),
    "activation of no target": (("compile", "sort", "--activation", "gelu", "-o", "out"), "belongs to --target"),
    "neurons that a target lacks": (
        ("compile", "sort", "--target", "bert", "--activation", "silu", "-o", "out"),
        "bert has no silu neurons",
    ),
    "causal length": (("compile", "reverse", "--causal", "-o", "out"), "causal"),
    "folder is a file": (("compile", "sort", "-o", "mine.py"), r"cannot write a model to mine\.py"),
    "folder in a file": (("compile", "sort", "-o", "mine.py/model"), "cannot write a model"),
    "no format": (("draw", "sort", "--input", "ab", "-o", "sort.jpg"), r"\.svg, \.png or \.pdf"),
    "no folder for the drawing": (("draw", "sort", "--input", "ab", "-o", "no/sort.svg"), "there is no folder no"),
    "a file as a folder": (("draw", "sort", "--input", "ab", "-o", "mine.py/sort.svg"), r"there is no folder mine\.py"),
    "too much to draw": (("draw", "sort", "--input", "ab" * 200, "-o", "sort.svg"), "give a shorter input"),
    "drawing a failure": (("draw", "mine.py:mixed", "--input", "abc", "-o", "mixed.svg"), "cannot average 'b' and 'c'"),
    "drawing an exit": (
        ("draw", "mine.py:leaving", "--input", "abc", "-o", "leaving.svg"),
        r"fails on 'a' \(SystemExit",
    ),
    "nothing to draw": (("draw", "mine.py:hist", "-o", "hist.svg"), "give the input for mine.py:hist"),
    "an empty input": (("draw", "sort", "--input", "", "-o", "sort.svg"), "--input is empty"),
    "no such pass": (("run", "sort", "--mode", "compact", "--passes=speed"), "there is no pass 'speed'"),
    "passes without compact mode": (("run", "sort", "--passes=codes"), "--passes belongs to --mode compact"),
    "no folder to write": (("compile", "sort"), "say with -o where"),
    "no size": (("run", "sort", "--fit", "layers=3"), r"--fit: 'layers=3' is no size; .* \(there are n_layers, "),
    "no whole size": (("run", "sort", "--fit", "n_layers=2.5"), "--fit: 'n_layers=2.5' is no size"),
    "size given twice": (("run", "sort", "--fit", "d_mlp=1,d_mlp=2"), "--fit: d_mlp is given twice"),
    "size of zero": (("run", "sort", "--fit", "d_mlp=0"), "--fit: d_mlp must be a positive integer, not 0"),
    "size that is huge": (("compile", "sort", "--fit", "d_head=999999999999", "-o", "out"), "a smaller shape"),
    "size too small": (("compile", "reverse", "--fit", "n_layers=1", "-o", "out"), "4 layers are needed for length"),
    "length that is huge": (("compile", "sort", "--max-len", "999999999", "-o", "out"), "at most 2,097,152"),
    "file of a model": (("verify", "mine.py/config.json"), r"mine\.py/config\.json"),
    "program without a text": (("print", "mine.py:leaving"), r"map\(leave, tokens\).*mine\.py:11.*Write it"),
    "example without a text": (("print", "mine.py:hist", "--input", '"'), "running example"),
    "empty example": (("print", "mine.py:hist", "--input", ""), "running example is empty"),
    "file name with a NUL": (("run", "a\0b.py:x", "--input", "a"), r"'a\\x00b\.py' cannot be the name of a file"),
    "unknown command": (("foo",), "'foo'"),
    "unknown option": (("run", "sort", "--foo"), "--foo"),
    "no program": (("trace",), "PROGRAM"),
    "name too long": (("run", "./" + "a" * 5000), "File name too long"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert re.search(message, error_of(*arguments))


def test_tokens_that_do_not_convert(folder: Path) -> None:
    (folder / "mine.rasp").write_text("n = tokens_int;\np = n + 1;\n")
    for options in ((), ("--max-len", "1")):  # met by the running example, and by the compiler alone
        arguments = ("compile", "mine.rasp:p", "--vocab", "1ab", "-o", "out", *options)
        error = error_of(*arguments, files={"mine.py", "mine.rasp"})
        assert re.search(r"mine\.rasp:2.*tokens_int|tokens_int.*mine\.rasp:2", error)
        assert "'a'" in error
        assert "dictionary" in error


FILES = {
    "x = (": r"bad\.py:1: SyntaxError",
    "\n\nimport nowhere_to_be_found": r"bad\.py:3: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    "def f():\n    raise ValueError('two\\nlines')\nf()": r"bad\.py:2: ValueError: two lines",
    "import sys\nsys.exit(0)": r"bad\.py:2: SystemExit",
    "def f(): f()\nf()": r"bad\.py:1: RecursionError",
    "\0": r"bad\.py",
}


@pytest.mark.parametrize(("source", "message"), FILES.items())
def test_file_that_fails(source: str, message: str, folder: Path) -> None:
    (folder / "bad.py").write_text(source)
    assert re.search(message, error_of("run", "bad.py:x", files={"mine.py", "bad.py"}))


def test_file_imports_its_neighbours(folder: Path) -> None:
    (folder / "neighbour_of_a_program.py").write_text("TOKEN = 'x'")
    (folder / "importing.py").write_text(
        "from neighbour_of_a_program import TOKEN\nfrom tracrlab import rasp\np = (rasp.tokens == TOKEN).named('p')\n"
    )
    assert rows_of(output_of("run", "importing.py:p", "--vocab", "xy", "--input", "yx"))["p"] == ["False", "True"]


def test_options_for_compiling_do_not_apply_to_a_saved_model() -> None:
    output_of("compile", "sort", "-o", "model")
    files = {"mine.py", "model"} | {f"model/{name}" for name in MODEL_FILES}
    assert "--vocab, --causal" in error_of("run", "model", "--vocab", "a", "--causal", files=files)
    assert "--interpreter" in error_of("run", "model", "--input", "12", "--interpreter", files=files)
    assert "--input" in error_of("trace", "model", files=files)


@pytest.mark.parametrize("damage", ["", "{}", "[]", "null", '{"format": 999}'])
def test_damaged_model(damage: str, folder: Path) -> None:
    output_of("compile", "sort", "-o", "model")
    (folder / "model/config.json").write_text(damage)
    files = {"mine.py", "model"} | {f"model/{name}" for name in MODEL_FILES}
    for command in ("info", "run", "trace"):
        assert "model" in error_of(command, "model", files=files)


def test_model_that_differs_from_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracrlab.CompiledModel, "__call__", lambda model, tokens: ["?"] * len(tokens))
    result = invoke("run", "sort", "--interpreter")
    assert result.exit_code == 1
    assert "differs" in result.stderr


def test_internal_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: tracrlab.CompiledModel, tokens: object) -> None:
        raise RuntimeError("broken\nhere")

    monkeypatch.setattr(tracrlab.CompiledModel, "__call__", fail)
    result = invoke("run", "sort")
    assert result.exit_code == 1
    assert result.stderr.startswith("tracrlab: internal error: RuntimeError: broken here")
    assert result.stderr.count("\n") == 1


def test_version_and_help() -> None:
    assert output_of("--version") == f"tracrlab {tracrlab.__version__}\n"
    assert output_of() == output_of("--help")
    for command in main.commands:
        assert "Usage: " in output_of(command, "--help")
    assert "Tokens are characters, words or numbers" in output_of("run", "--help")


class TestProcess:
    """What only a real process shows."""

    def test_success(self) -> None:
        run = subprocess.run(python("run", "reverse"), capture_output=True, text=True, check=True)
        assert rows_of(run.stdout)["reverse"] == ["d", "c", "b", "a"]
        assert run.stderr == ""

    def test_error(self) -> None:
        run = subprocess.run(python("run", "nothing"), capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)

    def test_loading_executes_nothing(self, folder: Path) -> None:
        (folder / "traced.py").write_text(PROGRAM + "open('executed', 'a').write('.')\n")
        subprocess.run(
            python("compile", "traced.py:first", "--vocab", "ab", "-o", "m"), check=True, capture_output=True
        )
        subprocess.run(python("run", "m", "--input", "ab"), check=True, capture_output=True)
        assert (folder / "executed").read_text() == "."

    def test_nobody_reads(self) -> None:
        read, write = os.pipe()
        os.close(read)
        run = subprocess.run(python("programs"), stdout=write, stderr=subprocess.PIPE, check=False)
        os.close(write)
        assert (run.returncode, run.stderr) == (1, b"")

    @pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs the device /dev/full")
    @pytest.mark.parametrize("arguments", [("--help",), ("programs",)])
    def test_full_disk(self, arguments: tuple[str, ...]) -> None:
        with open("/dev/full", "w") as full:
            run = subprocess.run(python(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (run.returncode, run.stderr) == (2, "tracrlab: cannot write the output: No space left on device\n")

    @pytest.mark.usefixtures("interruptible")
    def test_interrupted(self, folder: Path) -> None:
        (folder / "slow.py").write_text("import time\nopen('started', 'w').close()\ntime.sleep(60)\n")
        process = subprocess.Popen(python("run", "slow.py:p"), stderr=subprocess.PIPE, text=True)
        for _ in range(1000):
            if (folder / "started").exists():
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors.strip()) == (130, "")

    def test_demo(self) -> None:
        run = subprocess.run([sys.executable, "-m", "tracrlab.cli.demo"], capture_output=True, text=True, check=True)
        assert run.stderr == ""
        assert "addition" in run.stdout
        assert re.search(r"^tokens:x +· +1\*", run.stdout, re.MULTILINE)
        assert "0.333*" in run.stdout
        assert max(map(len, run.stdout.splitlines())) <= 80
