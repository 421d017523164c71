"""The prompt of textual RASP: what it answers, and that no input ends it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

import tracrlab
from tracrlab.cli.main import main
from tracrlab.cli.repl.completion import FORMS, completions
from tracrlab.cli.repl.loop import Repl
from tracrlab.cli.repl.terminal import state_history, terminal_reader
from tracrlab.errors import MissingDependencyError
from tracrlab.rasp.textual.session import Session

ROOT = Path(__file__).parents[2]
INTERRUPT = object()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, a state folder beside it, and a terminal of 80 columns."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return work


class Dialogue:
    """A dialogue at the prompt, without a terminal."""

    def __init__(self, **options: Any) -> None:
        self.output = io.StringIO()
        screen = Console(file=self.output, width=80, markup=False, emoji=False, highlight=False)
        self.repl = Repl(screen, screen, **options)
        self.prompts: list[str] = []

    def answers(self, *texts: Any) -> list[str]:
        """The lines printed for some texts; ``INTERRUPT`` among them is Ctrl-C."""
        start = len(self.output.getvalue())
        left = iter(texts)

        def read(prompt: str) -> str:
            self.prompts.append(prompt)
            text = next(left, None)
            if text is INTERRUPT:
                raise KeyboardInterrupt
            if not isinstance(text, str):
                raise EOFError
            return text

        self.repl.run(read)
        return self.output.getvalue()[start:].splitlines()


def answers(*texts: Any) -> list[str]:
    return Dialogue().answers(*texts)


def piped(text: str | bytes, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["repl", *arguments], input=text)


# What the original prints --------------------------------------------------------------------------------------------

TRANSCRIPT = r"""
>> tokens;
     s-op: tokens_str
     Example: tokens_str("hello") = [h, e, l, l, o] (strings)
>> length;
     s-op: length
     Example: length("hello") = [5]*5 (ints)
>> 3 * indices;
     s-op: out
     Example: out("hello") = [0, 3, 6, 9, 12] (ints)
>> out("hey");
     value: [0, 3, 6]
>> same = select(tokens, tokens, ==);
     selector: same
     Example:
                 h e l l o
             h | 1
             e |   1
             l |     1 1
             l |     1 1
             o |         1
>> hist = selector_width(same);
     s-op: hist
     Example: hist("hello") = [1, 1, 2, 2, 1] (ints)
>> hist("aabbaa");
     value: [4, 4, 2, 2, 4, 4]
>> opposite = select(indices, length - indices - 1, ==);
     selector: opposite
     Example:
                 h e l l o
             h |         1
             e |       1
             l |     1
             l |   1
             o | 1
>> reverse = aggregate(opposite, tokens);
     s-op: reverse
     Example: reverse("hello") = [o, l, l, e, h] (strings)
>> tokens in ["e", "o"];
     s-op: out
     Example: out("hello") = [F, T, F, F, T] (bools)
>> average(indices);
     s-op: out
     Example: out("hello") = [2.0]*5 (floats)
>> def double(x) {
..     return 2 * x;
.. }
     console function: double(x)
>> a, b = 1, double(indices);
     value: a = 1
     s-op: b
     Example: b("hello") = [0, 2, 4, 6, 8] (ints)
>> set example "hey"
>> aggregate(full_s, indicator(tokens == "e"));
     s-op: out
     Example: out("hey") = [0.333]*3 (floats)
>> full seq display on
>> b;
     s-op: b
     Example: b("hey")
     input   h  e  y
     output  0  2  4
>> examples off
>> 2 * b;
     s-op: out
>> for i in [1, 2] { a = a + i; }
>> a;
     value: 4
>> "words";
     value: "words"
""".strip()


def run_transcript(transcript: str, dialogue: Dialogue) -> str:
    """The transcript as the dialogue gives it for the same inputs."""
    lines = []
    for block in re.split(r"\n(?=>> )", transcript):
        typed = re.findall(r"^(?:>>|\.\.) .*$", block, re.MULTILINE)
        lines += typed + dialogue.answers("\n".join(line[3:] for line in typed))
    return "\n".join(lines)


def output_row(lines: list[str]) -> list[str]:
    """The row of a trace that shows the answer."""
    return next(line for line in lines if line.lstrip().startswith("output")).split()


def test_a_dialogue_is_that_of_the_original() -> None:
    assert run_transcript(TRANSCRIPT, Dialogue()) == TRANSCRIPT


def test_the_page_on_textual_rasp_shows_what_happens() -> None:
    page = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
    (transcript,) = re.findall(r"^```text\n(>> .*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert run_transcript(transcript.rstrip("\n"), Dialogue()) == transcript.rstrip("\n")


def test_load_shows_every_exported_name(folder: Path) -> None:
    (folder / "mine.rasp").write_text('a = 1; b = 2; a = 3; _hidden = 4; "out"; def f(x) { return x; }')
    dialogue = Dialogue()
    shown = ["     value: a = 3", "     value: b = 2", "     console function: f"]
    assert dialogue.answers('load "mine";') == shown
    assert dialogue.answers("a + b;") == ["     value: 5"]


# Lines and statements ------------------------------------------------------------------------------------------------


def test_a_statement_goes_on_until_it_is_complete() -> None:
    dialogue = Dialogue()
    assert dialogue.answers("x =", "  2", "* 3", ";", "x;", "") == ["     value: x = 6", "     value: 6"]
    assert dialogue.prompts == [">> ", ".. ", ".. ", ".. ", ">> ", ">> ", ">> "]


def test_several_lines_may_come_at_once() -> None:
    assert answers("a = 1;\n\na = b;\ntokens(") == [
        "     value: a = 1",
        "!!ignoring input: <prompt>:1:5: there is no 'b'",
        "!!ignoring input: <prompt>:1:8: the text ends too early; expected ')' or an expression",
        "     tokens(",
        "            ^",
    ]


def test_a_blank_line_says_what_is_missing_and_goes_on() -> None:
    hint, answer = answers("1 + 1", "", ";")
    assert hint.startswith("     not finished; what can follow: ';', ") and "Ctrl-C" in hint
    assert answer == "     value: 2"
    assert "'return'" in answers("def f(x) {", "")[0]


def test_ctrl_c_cancels_a_statement() -> None:
    dialogue = Dialogue()
    assert dialogue.answers("x = (", INTERRUPT, "1 + 1;")[-1] == "     value: 2"
    assert dialogue.prompts[2] == ">> "


def test_ctrl_c_cancels_a_computation_and_what_was_to_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    dialogue = Dialogue()
    run_text = Session.run_text

    def interrupted(session: Session, text: str, *arguments: Any, **options: Any) -> None:
        if "indices" in text:
            raise KeyboardInterrupt
        run_text(session, text, *arguments, **options)

    monkeypatch.setattr(Session, "run_text", interrupted)
    lines = dialogue.answers("a = 1;\nindices;\na = 2;", "a;")
    assert (lines[0], lines[-1]) == ("     value: a = 1", "     value: 1")
    assert len(lines) == 3
    with pytest.raises(KeyboardInterrupt):  # nobody to go on for
        Dialogue(interactive=False).answers("indices;", "a;")


@pytest.mark.parametrize("word", ["exit", "quit", "exit()", "quit()", " exit ", "exit;", "quit();"])
def test_leaving(word: str) -> None:
    assert answers("1;", f"{word}\n2;", "3;") == ["     value: 1"]


def test_the_greeting_shows_the_running_example() -> None:
    dialogue = Dialogue(example=["the", "cat"])
    dialogue.repl.greet()
    assert "help" in dialogue.output.getvalue()
    assert '["the", "cat"]' in dialogue.output.getvalue()


# Mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a = b;", "<prompt>:1:5: there is no 'b'"),
        ("indices = 3;", "cannot be assigned"),
        ("1 / 0;", "ZeroDivisionError"),
        ("tokens + 1;", "<prompt>:1:1: "),
        ("tokens = tokens_int;", "fails on 'h'"),
        ('x = tokens if tokens == "h" else indices;', "one type"),
        ('load "nothing";', "cannot read nothing.rasp: "),
        ('load "no\0thing";', "cannot be the name of a file"),
        (f'load "{"long" * 100}";', "cannot read"),
        ("draw(3);", "not an int"),
        ('draw(tokens, "");', "<prompt>:1:1: an input is not empty"),
        ("tokens([tokens]);", "an input is"),
        ("set example [[1]]", "an example is"),
        ("set example tokens", "an example is a string or a list of atoms, not an s-op"),
        ("2^20000;", "4,300 digits"),
        ("9^(9^9);", "4,300 digits"),
        ("indices * 10^4000 * 10^4000;", "4,300 digits"),
        ("[1] * 10^1000;", "OverflowError"),
        ("range(10^1000);", "OverflowError"),
        ("[1] * 10^15;", "out of memory"),
        ("def f(x) { return f(x); } f(1);", "too deep"),
        ("compile nothing", "there is no 'nothing'"),
        ("compile full_s", "full_s is a selector"),
        ("trace max", "max is a function"),
        ("compile length hello", "there is no 'hello'; write tokens as in \"abc\""),
        ("compile length 3", "compile NAME [TOKENS] [max_len N]"),
        ("compile length max_len 0", "compile NAME [TOKENS] [max_len N]"),
        ("compile length max_len", "compile NAME [TOKENS] [max_len N]"),
        ("compile", "compile NAME [TOKENS] [max_len N]"),
        ('trace length "ab', "trace NAME [INPUT]"),
        ('trace length "ab # c', "trace NAME [INPUT]"),
        ("trace", "trace NAME [INPUT]"),
        ('trace length "abc" max_len 3', "trace NAME [INPUT]"),
        ('compile length ""', "empty"),
        ('compile tokens_int "12a"', "tokens_int"),
    ],
)
def test_a_mistake_is_one_line_and_the_session_goes_on(line: str, message: str) -> None:
    dialogue = Dialogue()
    *shown, error, answer = dialogue.answers(line, "1 + 1;")
    assert error.startswith("!!ignoring input: ") and message in error
    assert "internal error" not in error
    assert answer == "     value: 2"
    assert dialogue.repl.failed
    assert all(not line.startswith("!!") for line in shown)


def test_a_parse_error_shows_its_place() -> None:
    error, *excerpt = answers("x = 'a';", "1;")
    assert error.startswith("!!ignoring input: <prompt>:1:5: strings are written with double quotes")
    assert excerpt == ["     x = 'a';", "         ^", "     value: 1"]


def test_an_unexpected_exception_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_text(*_: Any, **__: Any) -> None:
        raise IndexError("of\nno use")

    monkeypatch.setattr(Session, "run_text", run_text)
    error, other = answers("1;", "2;")
    assert error == other
    assert error.startswith("!!ignoring input: internal error: IndexError: of no use; please report it")
    monkeypatch.setenv("TRACRLAB_DEBUG", "1")
    with pytest.raises(IndexError, match="of"):
        answers("1;")


def test_an_output_that_cannot_be_written_ends_it() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    screen = Console(file=Full())
    with pytest.raises(OSError, match="No space"):
        Repl(screen, screen).run(lambda prompt: "1;")


def test_control_codes_and_markup_are_shown_as_text() -> None:
    assert answers('"[red]\x1b[31m";') == [r'     value: "[red]\x1b[31m"']
    assert answers("\ta b;")[1:] == ["             a b;", "               ^"]


def test_warnings_say_what_is_read() -> None:
    warning, *_ = answers('not tokens == "h";')
    assert warning.startswith("<prompt>:1:1: warning: this is read as `(not tokens) == ")
    assert len(Dialogue(dialect="python").answers('not tokens == "h";')) == 2


PHRASES = (
    *("tokens", "indices", "x", "y", "=", "x =", "y = x", ";", ";", "+", "*", "^ 2", "%", "==", "and", "not", "in"),
    *("select(", "aggregate(", "selector_width(", "range(", "full_s", "same", "sort(", "(", ")", ",", ", <)", "[", "]"),
    *("0", "1", "2", "0.5", '"a"', '"', "#", "{", "}", "def f(x)", "return", "for x in", "if", "else", "load", "draw("),
    *("set example", "show example", "examples", "off", "on", "full seq display on", "compile", "trace", "max_len 3"),
    *("x = 2 * indices;", "same = select(tokens, tokens, ==);", "compile x", "trace x", "trace out", "draw(x);", "\0"),
    *('set example "ab"', 'compile x "ab"', "tokens_int;", "tokens = tokens_int;", "out;", "\ud800", "\t", "help", "ü"),
)
LINES = st.lists(st.text() | st.lists(st.sampled_from(PHRASES), max_size=12).map(" ".join), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
def test_no_text_ends_it_or_is_an_internal_error(lines: list[str]) -> None:
    dialogue = Dialogue()
    dialogue.repl._drawings.draw = lambda expression, sequence: Path("drawing")  # type: ignore[method-assign]
    shown = dialogue.answers(*lines)
    assume(not dialogue.repl.session.finished)
    assert not [line for line in shown if "internal error" in line or "Traceback" in line]
    assert dialogue.answers(INTERRUPT, "1 + 1;")[-1] == "     value: 2"


# Commands ------------------------------------------------------------------------------------------------------------

HIST = "hist = selector_width(select(tokens, tokens, ==));"


def test_compile_takes_tokens_and_length_of_the_running_example() -> None:
    lines = answers(HIST, "compile hist")[2:]
    session = Session()
    session.run_text(HIST)
    expected = repr(tracrlab.compile(session.value("hist"), "ehlo", 5)).splitlines()
    assert lines[:-1] == [f"     {line}" for line in expected]
    assert lines[-1] == '     model and interpreter agree: hist("hello") = [1, 1, 2, 2, 1] (ints)'


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ('compile hist "aab" max_len 3', "2 tokens (a b), at most 3 in a sequence"),
        ('compile hist ["the", "cat"]', "2 tokens (cat the), at most 5 in a sequence"),
        ("compile hist max_len 7;", "4 tokens (e h l o), at most 7 in a sequence"),
        ("compile hist vowels # of the program", "2 tokens (a e), at most 5 in a sequence"),
        ('compile hist ["bos", "pad", "#"]', "3 tokens (# bos pad), at most 5 in a sequence"),
    ],
)
def test_compile_with_tokens_and_length(command: str, facts: str) -> None:
    lines = answers(HIST, 'vowels = ["a", "e"];', command)
    assert f"       {facts}" in lines
    if "vowels" in command or '"' in command:
        assert lines[-1].startswith("     not compared on the running example: ")


def test_a_model_that_differs_from_the_interpreter_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracrlab.CompiledModel, "__call__", lambda model, tokens: [0] * len(tokens))
    assert answers(HIST, "compile hist")[-1].startswith("!!ignoring input: the model differs from the interpreter")


def test_trace_shows_what_the_command_line_shows(folder: Path) -> None:
    (folder / "mine.rasp").write_text(HIST)
    shown = CliRunner().invoke(main, ["trace", "mine.rasp:hist", "--vocab", "ehlo", "--input", "hello"]).stdout
    dialogue = Dialogue()
    dialogue.answers(HIST, 'compile hist "helo" max_len 8')
    assert dialogue.answers('trace hist "hello"') == shown.splitlines()
    assert dialogue.answers("trace hist") == shown.splitlines()


def test_trace_uses_the_model_that_was_compiled_while_its_program_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dialogue = Dialogue()
    assert output_row(dialogue.answers(HIST, 'trace hist "abc"')) == ["output", "hist", "1", "1", "1"]
    error = dialogue.answers("compile hist", 'trace hist "ab"')[-1]
    assert "'a' is not in the vocabulary" in error
    remedy = error.rpartition("first: ")[2]
    assert remedy == 'compile hist ["a", "b"] max_len 2'
    assert output_row(dialogue.answers(remedy, 'trace hist "ab"')) == ["output", "hist", "1", "1"]
    other = dialogue.answers("hist = 2 * indices;", 'trace hist "xyz"')
    assert output_row(other) == ["output", "hist", "0", "2", "4"]


def test_words_of_commands_are_names_like_any_other() -> None:
    lines = answers("compile = 3;", "trace", "= indices", ";", "compile;", "compile", "+ 1;", "help = 1;", "help", ";")
    assert lines == [
        "     value: compile = 3",
        '!!ignoring input: this is written trace NAME [INPUT], with tokens as in "abc" or ["the", "cat"]',
        "!!ignoring input: <prompt>:1:1: unexpected '='; expected a statement or the end of the text",
        "     = indices",
        "     ^",
        "!!ignoring input: <prompt>:1:1: unexpected ';'; expected a statement or the end of the text",
        "     ;",
        "     ^",
        "     value: 3",
        "     value: 4",
        "     value: help = 1",
        "     value: 1",
    ]
    lines = answers("trace = 1 * indices; trace in [0];", "trace", "and True;", "trace trace")
    assert output_row(lines) == ["output", "trace", "0", "1", "2", "3", "4"]
    assert answers("compile = [1]; compile", "[0];", "compile if True else 2;")[-2:] == [
        "     value: 1",
        "     value: [1]",
    ]


def test_help_names_what_can_be_typed() -> None:
    text = "\n".join(answers("help"))
    for word in ("compile NAME", "trace NAME", "set example", "draw(", "load", "exit", "Ctrl-C"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 120


# Drawings ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What is drawn: the files hold the number of the drawing."""
    drawings: list[tuple[str, Any]] = []

    def draw(expression: Any, sequence: Any, path: Path) -> None:
        drawings.append((str(path), sequence))
        path.write_text(str(len(drawings)))

    monkeypatch.setattr("tracrlab.viz.draw_flow", draw)
    return drawings


def test_draw_writes_a_file_of_its_own(drawn: list[tuple[str, Any]], folder: Path) -> None:
    (folder / "hist.svg").write_text("not a drawing of this session")
    (folder / "hist-2.svg").mkdir()
    lines = answers(HIST, "draw(hist);", 'draw(hist, "abc");', "draw(hist + 1, [1, 2]);", "draw(full_s);")[2:]
    assert lines == [
        "     drawn in hist-3.svg",
        "     drawn in hist-3.svg",
        "     drawn in out.svg",
        "     drawn in full_s.svg",
    ]
    assert drawn == [("hist-3.svg", "hello"), ("hist-3.svg", "abc"), ("out.svg", [1, 2]), ("full_s.svg", "hello")]
    assert (folder / "hist.svg").read_text() == "not a drawing of this session"
    assert answers("draw(full_s);") == ["     drawn in full_s-2.svg"]  # another session


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (MissingDependencyError("drawing needs matplotlib"), "<prompt>:1:1: drawing needs matplotlib"),
        (PermissionError(13, "Permission denied", "out.svg"), "out.svg: Permission denied"),
    ],
)
def test_what_cannot_be_drawn_is_a_mistake(problem: Exception, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: Any) -> None:
        raise problem

    monkeypatch.setattr("tracrlab.viz.draw_flow", draw)
    assert answers("draw(2 * indices);", "1;") == [f"!!ignoring input: {line}", "     value: 1"]


def test_a_drawing_is_a_picture(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    assert answers("draw(indices);") == ["     drawn in indices.svg"]
    assert "<svg" in (folder / "indices.svg").read_text(encoding="utf-8")


# Completion ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(folder: Path) -> Session:
    (folder / "one.rasp").touch()
    (folder / "other.txt").touch()
    (folder / "more").mkdir()
    (folder / "more" / "two.rasp").touch()
    session = Session()
    session.run_text("mine = indices; mind = full_s; minute = 1;")
    return session


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("selec", ["select(", "select_from_first", "select_from_last", "select_next_identical", "selector",
                   "selector_width"]),
        ("x = min", ["min", "mind", "mine", "minute"]),
        ("x =\n  agg", ["aggregate("]),
        ("full", ["full seq display", "full_s"]),
        ("re", ["return"]),
        ("comp", ["compile"]),
        ("x = comp", []),
        ("compile m", ["mine"]),
        ("trace ", ["mine"]),
        ("compile mine m", ["mark_first_instance", "mark_last_instance", "max", "min", "mind", "mine", "minute"]),
        ('load "', ["more/", "one"]),
        ('x = 1; load "o', ["one"]),
        ('load "more/', ["more/two"]),
        ('load "nowhere/', []),
        ('load "no\0where/', []),
        ('"mi', []),
        ("1; # mi", []),
        ('"#" + mi', ["min", "mind", "mine", "minute"]),
        ("", []),
        ("x = ", []),
    ],
)  # fmt: skip
def test_completion(text: str, expected: list[str], session: Session) -> None:
    start, words = completions(text, session)
    assert text.endswith(start)
    assert words == expected


def test_completion_knows_the_forms_of_the_grammar() -> None:
    grammar = (ROOT / "src" / "tracrlab" / "rasp" / "textual" / "grammar.lark").read_text(encoding="utf-8")
    assert set(re.findall(r'^[A-Z_]+\.1: "([a-z][^"]*)"$', grammar, re.MULTILINE)) == FORMS


# The terminal --------------------------------------------------------------------------------------------------------


@pytest.fixture
def typed() -> Iterator[Callable[[str], list[str]]]:
    """What is printed when keys are pressed at a terminal, in sessions one after another."""

    def run(keys: str) -> list[str]:
        dialogue = Dialogue()
        with create_pipe_input() as pipe:
            pipe.send_text(keys + "\x04")
            dialogue.repl.run(terminal_reader(dialogue.repl, input=pipe, output=DummyOutput()))
        return dialogue.output.getvalue().splitlines()

    yield run


TypedKeys = Callable[[str], list[str]]
UP, TAB, ALT_ENTER = "\x1b[A", "\t", "\x1b\r"


def test_enter_hands_in_what_is_finished(typed: TypedKeys) -> None:
    assert typed("x =\r2\r;\rx;\r") == ["     value: x = 2", "     value: 2"]
    assert typed("help\r")[0].startswith("A statement")
    assert typed(f"a = 1;{ALT_ENTER}b = 2;\r") == ["     value: a = 1", "     value: b = 2"]
    assert typed("1 + 1\r\r;\rexit\r2;\r")[1:] == ["     value: 2"]


def test_tab_completes_names(typed: TypedKeys) -> None:
    assert typed(f"mine = 3;\rmin{TAB}e;\r") == ["     value: mine = 3", "     value: 3"]
    assert typed(f"my_own_name = 3;\rmy{TAB};\r")[-1] == "     value: 3"


def test_ctrl_c_and_ctrl_d(typed: TypedKeys) -> None:
    lines = typed("1 +\x03 2\x03\x032;\r\x04 3;\r")
    assert len(lines) == 4 and lines[-1] == "     value: 2"
    assert "cancelled" in lines[0]


def test_pasted_lines_are_taken_one_statement_after_another(typed: TypedKeys) -> None:
    lines = typed("\x1b[200~a = 1;\n\na = b;\n# what\nhelp\na = 3;\x1b[201~\r")
    assert lines[0] == "     value: a = 1"
    assert lines[1].startswith("!!ignoring input: ")
    assert lines[-1] == "     value: a = 3"


def test_history_is_kept_between_sessions(typed: TypedKeys, tmp_path: Path) -> None:
    typed("def f(x) {\rreturn x + 1;\r}\r1;\r")
    assert (tmp_path / "state" / "tracrlab" / "history").is_file()
    assert typed(f"{UP}{UP}{UP}{UP}\rf(2);\r") == ["     console function: f(x)", "     value: 3"]


@pytest.mark.parametrize("in_the_place_of", ["the file", "the folder"])
def test_history_that_cannot_be_kept_is_done_without(in_the_place_of: str, typed: TypedKeys, tmp_path: Path) -> None:
    if in_the_place_of == "the file":
        (tmp_path / "state" / "tracrlab" / "history").mkdir(parents=True)
    else:
        (tmp_path / "state").touch()
    assert typed("1;\r2;\r") == ["     value: 1", "     value: 2"]
    history = state_history()
    history.append_string("1;")
    assert history.get_strings() == ["1;"]


def test_history_that_can_no_longer_be_kept_does_not_end_it(tmp_path: Path) -> None:
    history = state_history()
    (tmp_path / "state" / "tracrlab" / "history").unlink()
    (tmp_path / "state" / "tracrlab" / "history").mkdir()
    history.append_string("1;")
    assert history.get_strings() == ["1;"]


def test_history_takes_what_is_no_text() -> None:
    history = state_history()
    history.append_string("no text: \ud800")
    assert history.get_strings() == ["no text: \ud800"]


def test_history_lies_at_home_if_no_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for named in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", named)
        state_history().append_string(f"kept {named}")
    kept = (tmp_path / ".local" / "state" / "tracrlab" / "history").read_text(encoding="utf-8")
    assert "+kept \n" in kept and "+kept relative\n" in kept


# Without a terminal --------------------------------------------------------------------------------------------------


def test_piped_statements_are_answered_without_prompts() -> None:
    result = piped("tokens;\nx =\n\n2;\n# nothing\nx;")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "     s-op: tokens_str",
        '     Example: tokens_str("hello") = [h, e, l, l, o] (strings)',
        "     value: x = 2",
        "     value: 2",
    ]
    assert piped("").output == ""
    assert piped("exit\na;").exit_code == 0


def test_piped_mistakes_are_told_with_their_line() -> None:
    result = piped("a = 1;\n\nb =\n c;\ncompile a\na;\nb = (")
    assert result.exit_code == 2
    assert result.stdout.splitlines() == ["     value: a = 1", "     value: 1"]
    assert result.stderr.splitlines()[:3] == [
        "!!ignoring input: <stdin>:4:2: there is no 'c'",
        "!!ignoring input: <stdin>:5: a is an int; only an s-op can be a transformer",
        "!!ignoring input: <stdin>:7:6: the text ends too early; expected an expression",
    ]
    assert "\x1b" not in result.output


def test_piped_bytes_that_are_no_text() -> None:
    result = piped(b'"\xff";\n\xff;\n1;\n')
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1] == "     value: 1"
    assert result.stderr.startswith("!!ignoring input: <stdin>:2:1: unexpected character '\\udcff'")


def test_options() -> None:
    assert piped('not tokens == "h";', "--dialect", "python").stdout.splitlines()[1] == (
        '     Example: out("hello") = [F, T, T, T, T] (bools)'
    )
    assert '(["the", "cat"]) = [the, cat]' in piped("tokens;", "--example", "the cat").stdout
    empty = piped("tokens;", "--example", "")
    assert (empty.exit_code, empty.stdout) == (2, "")
    assert empty.stderr == "tracrlab: the running example is empty; give at least one token\n"


def test_a_file_is_run_first(folder: Path) -> None:
    (folder / "mine.rasp").write_text("a = 1; _b = 2;")
    (folder / "broken.rasp").write_text("a = 3;\nb = c;")
    assert piped("a + _b;", "mine.rasp").stdout.splitlines() == ["     loaded mine.rasp: a, _b", "     value: 3"]
    broken = piped("a;", "broken.rasp")
    assert broken.stdout.splitlines() == ["     loaded broken.rasp: a", "     value: 3"]
    assert broken.stderr == "!!ignoring input: broken.rasp:2:5: there is no 'c'\n"
    assert broken.exit_code == 2
    missing = piped("a;", "nothing.rasp")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert missing.stderr.startswith("tracrlab: cannot read nothing.rasp: ")
    assert missing.stderr.count("\n") == 1
