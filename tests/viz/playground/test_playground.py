"""The playground: what it answers, what it refuses, and that nothing a program does holds it up."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viz.explorer.browser import browsing
from tracrlab.viz.playground import Playground
from tracrlab.viz.playground.answers import answer
from tracrlab.viz.playground.requests import (
    LARGEST_PROGRAM,
    LARGEST_REQUEST,
    BadRequest,
    CheckRequest,
    CompileRequest,
    parsed_request,
)
from tracrlab.viz.playground.worker import Limits, Workers

HIST = "same = select(tokens, tokens, ==);\nhist = selector_width(same);\n"
CHECK: dict[str, Any] = {"source": HIST, "example": ["a", "b", "a"]}
COMPILE = CHECK | {"vocabulary": ["a", "b"], "length": 4, "mode": "compact", "causal": False, "program": ""}


def answered(source: str, example: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(answer(CheckRequest(source, example)))
    return data


# Answers -------------------------------------------------------------------------------------------------------------


def test_a_program_is_answered_with_its_values_on_the_example() -> None:
    data = answered(HIST, ("a", "b", "a"))
    assert data["values"] == [
        {"name": "same", "tokens": ["a", "b", "a"], "rows": [[1, 0, 1], [0, 1, 0], [1, 0, 1]]},
        {"name": "hist", "tokens": ["a", "b", "a"], "values": ["2", "1", "2"]},
    ]
    assert "problem" not in data


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("x = tokens;\ny = x +;", 2, 8, "expected"),
        ("x = tokens;\ny =  tokns;", 2, 6, "did you mean 'tokens'"),
        ("x = tokens + 1;", 1, 5, "fails on"),
        ('load "secrets";', 1, 1, "reads no files"),
    ],
)
def test_a_mistake_has_its_place(source: str, line: int, column: int, words: str) -> None:
    problem = answered(source)["problem"]
    assert (problem["line"], problem["column"]) == (line, column)
    assert words in problem["message"]


def test_what_comes_before_a_mistake_keeps_its_values() -> None:
    data = answered(HIST + "x = nonsense;")
    assert [value["name"] for value in data["values"]] == ["same", "hist"]


def test_no_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.rasp").write_text("secret = tokens;")
    data = answered(f'load "{tmp_path}/secret";')
    assert "reads no files" in data["problem"]["message"]
    assert data["values"] == []


def test_a_refusal_of_the_compiler_has_the_line_it_is_about() -> None:
    source = "x = tokens;\ny = aggregate(select(1, 1, ==), tokens);\n"
    data = json.loads(answer(CompileRequest(source, ("a",), "y", ("a", "b"), 3, "faithful", False)))
    assert data["problem"]["line"] == 2
    assert "payload" not in data


def test_a_program_that_is_not_there_is_named() -> None:
    data = json.loads(answer(CompileRequest(HIST, ("a",), "hits", ("a",), 3, "faithful", False)))
    assert "no s-op 'hits'" in data["problem"]["message"]


# Requests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("/check", {"source": "x" * (LARGEST_PROGRAM + 1)}, "longer than"),
        ("/check", {"source": "ä" * (LARGEST_PROGRAM // 2 + 1)}, "longer than 20,000 bytes"),
        ("/check", {"source": 3}, "must be a text"),
        ("/check", {"source": "\ud800"}, "must be a text"),
        ("/check", {"example": []}, "0 tokens"),
        ("/check", {"example": ["a"] * 65}, "65 tokens"),
        ("/check", {"example": "ab"}, "list of strings"),
        ("/check", {"example": [""]}, "empty"),
        ("/compile", {"vocabulary": [str(n) for n in range(65)]}, "65 tokens"),
        ("/compile", {"length": 65}, "from 1 to 64"),
        ("/compile", {"length": True}, "from 1 to 64"),
        ("/compile", {"mode": "best"}, "faithful or compact"),
        ("/compile", {"program": "x" * 201}, "longer than 200"),
        ("/delete", {}, "no /delete"),
    ],
)
def test_a_request_beyond_a_limit_is_refused(path: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parsed_request(path, json.dumps(COMPILE | change).encode())


@given(st.binary() | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parsed_request("/check", body)


def test_json_of_great_depth_is_refused() -> None:
    with pytest.raises(BadRequest):
        parsed_request("/check", b"[" * LARGEST_REQUEST)


# Limits --------------------------------------------------------------------------------------------------------------

PATIENT = Workers(Limits(seconds=60))
HOSTILE = {
    "a list without end": ("x = [0];\nfor i in range(100000000) { x = x + x; }", "longer than|more memory"),
    "a function that calls itself": ("def f(x) { return f(x + 1); }\ny = f(1);", "recursion|longer than|more memory"),
    "a power": ("x = 7 ^ (9 ^ 9 ^ 9);", "longer than|more memory|digits"),
    "strings that double": ("x = tokens;\nfor i in range(40) { x = x + x; }", "longer than|more memory|MemoryError"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_ends_with_a_problem(name: str) -> None:
    source, words = HOSTILE[name]
    data = json.loads(Workers(Limits(seconds=2.5, memory=2**28)).answer(CheckRequest(source, ("a", "b"))))
    assert re.search(words, data["problem"]["message"]), data["problem"]["message"][:300]


@pytest.mark.parametrize("before", ["(", "not ", "-", "[", "x = "])
def test_deep_nesting_is_answered(before: str) -> None:
    source = f"x = {before * (LARGEST_PROGRAM // len(before) // 2 - 10)}tokens{')' * 9000 if before == '(' else ''};"
    message = json.loads(PATIENT.answer(CheckRequest(source, ("a",)))).get("problem", {}).get("message", "")
    assert "internal error" not in message


def test_after_a_hostile_program_the_next_is_answered() -> None:
    workers = Workers(Limits(seconds=60), at_once=1)
    impatient = Workers(Limits(seconds=0.05), at_once=1)
    assert "longer than 0.05 seconds" in json.loads(impatient.answer(CheckRequest(HIST, ("a",))))["problem"]["message"]
    assert [value["name"] for value in json.loads(workers.answer(CheckRequest(HIST, ("a",))))["values"]] == [
        *("same", "hist")
    ]


# The server ----------------------------------------------------------------------------------------------------------

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def playground() -> Iterator[Playground]:
    with Playground(limits=Limits(seconds=60)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def ask(playground: Playground) -> Ask:
    """Posts to the playground as its page does, except for the headers that are given; ``None`` leaves one out."""

    def asked(path: str, body: Any, **changes: str | None) -> tuple[int, dict[str, Any]]:
        data = json.dumps(body).encode()
        headers: dict[str, str | None] = {
            "Host": playground.hosts[0],
            "Origin": f"http://{playground.hosts[0]}",
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            "X-Playground-Token": playground.token,
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        connection = http.client.HTTPConnection("127.0.0.1", playground.server_port, timeout=60)
        connection.putrequest("POST", path, skip_host=True)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(data if headers["Content-Length"] == str(len(data)) else None)
        response = connection.getresponse()
        found = json.loads(response.read())
        connection.close()
        return response.status, found

    return asked


def test_the_page_gets_values_and_models(ask: Ask) -> None:
    status, data = ask("/check", CHECK)
    assert (status, data["values"][1]["values"]) == (200, ["2", "1", "2"])
    status, data = ask("/compile", COMPILE)
    assert (status, data["payload"]["name"], data["payload"]["sourceName"]) == (200, "hist", "program.rasp")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": None}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X_Playground_Token": None}, 403),
        ({"X_Playground_Token": "x" * 43}, 403),
        ({"X_Playground_Token": "\xff"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": str(LARGEST_REQUEST + 1)}, 413),
        ({"Content_Length": "9" * 400}, 413),
    ],
)
def test_requests_from_elsewhere_are_refused(ask: Ask, changes: dict[str, str | None], status: int) -> None:
    found, data = ask("/check", CHECK, **changes)
    assert (found, list(data)) == (status, ["problem"])


def test_without_an_origin_the_token_is_enough(ask: Ask) -> None:
    assert ask("/check", CHECK, Origin=None)[0] == 200


@pytest.mark.parametrize(
    ("host", "path", "status"), [(None, "/", 200), (None, "/etc", 404), ("evil.example", "/", 403)]
)
def test_the_page_is_served_to_this_host_only(playground: Playground, host: str | None, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", playground.server_port, timeout=60)
    connection.request("GET", path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    body = response.read()
    assert response.status == status
    assert (playground.token.encode() in body) == (status == 200)
    assert "connect-src 'self'" in (response.headers["Content-Security-Policy"] or "")
    connection.close()


def test_it_listens_on_this_machine_only(playground: Playground) -> None:
    assert playground.server_address[0] == "127.0.0.1"


def test_a_message_about_a_long_value_is_short() -> None:
    text = answer(CheckRequest('x = ("a" * 3000000) ^ 2;', ("a", "b")))
    assert "^ fails on" in json.loads(text)["problem"]["message"]
    assert len(text) < 10_000


@pytest.mark.browser
def test_a_person_writes_a_program_and_explores_it(playground: Playground) -> None:
    troubles: list[str] = []
    with browsing() as browser:
        page = browser.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(playground.url)
        page.wait_for_selector(".pg-values")
        page.fill(".pg-area", HIST + "twice = hist + tokns;")
        page.wait_for_selector(".pg-wrong")
        assert page.locator(".pg-wrong").inner_text() == "tokns"
        assert "line 3, column 16" in page.locator("#pg-problem").inner_text()
        page.fill(".pg-area", HIST + "twice = hist == 2;")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".tl-app")
        assert page.locator(".tl-answer").all_text_contents() == ["F", "F", "T", "T", "F"]
        assert page.locator(".pg-values th[scope=row]").all_text_contents() == ["hist", "twice"]
        assert page.locator(".tl-line.tl-selected").inner_text().endswith("twice = hist == 2;")
        page.fill(".tl-input", "hehe")
        assert page.locator(".tl-answer").all_text_contents() == ["T"] * 4
        page.fill(".pg-area", "x = indices;")
        page.wait_for_selector("#pg-problem:text-is('no mistakes')")
    assert not troubles
