"""The playground's server: one page and two questions, asked by that page only, on this machine only."""

from __future__ import annotations

import hmac
import html
import json
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tracrlab.viz.explorer.bundle import asset, script, style
from tracrlab.viz.explorer.page import digest
from tracrlab.viz.playground.requests import LARGEST_REQUEST, BadRequest, parsed_request
from tracrlab.viz.playground.worker import Limits, Workers

ADDRESS = "127.0.0.1"
TOKEN_HEADER = "X-Playground-Token"
EXAMPLE = """\
# How often the token at each position occurs in the input.
same = select(tokens, tokens, ==);
hist = selector_width(same);
"""
_PATIENCE = 15.0  # seconds for a client to send its request


class Playground(ThreadingHTTPServer):
    """Serves the page at ``url``. Call ``serve_forever``; close it, as a context manager does.

    A request must come for this host, so that no other name leads here; from this page, so that no other page can ask;
    and with the token that only this page knows.

    Raises:
        OSError: the port cannot be listened on.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, *, source: str = EXAMPLE, limits: Limits | None = None) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.hosts = tuple(f"{name}:{self.server_port}" for name in (ADDRESS, "localhost"))
        self.url = f"http://{self.hosts[0]}/"
        self.token = secrets.token_urlsafe(32)
        self.workers = Workers(limits)
        self.page, self.policy = _page(source, self.token)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed while it was answered is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Playground
    server_version, sys_version = "tracrlab", ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        if self.headers.get("Host") not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "this host is not served")
        elif self.path != "/":
            self._refuse(HTTPStatus.NOT_FOUND, "there is only /")
        else:
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page)

    def do_POST(self) -> None:
        if refusal := self._refusal():
            self._refuse(*refusal)
            return
        try:
            request = parsed_request(self.path, self.rfile.read(int(self.headers["Content-Length"])))
        except BadRequest as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(HTTPStatus.OK, "application/json", self.server.workers.answer(request))

    def log_message(self, *arguments: Any) -> None:
        """Nothing: the terminal belongs to the person."""

    def _refusal(self) -> tuple[HTTPStatus, str] | None:
        """Why the body of a request is not even read."""
        headers = self.headers
        if headers.get("Host") not in self.server.hosts:
            return HTTPStatus.FORBIDDEN, "this host is not served"
        if headers.get("Origin") not in (None, *(f"http://{host}" for host in self.server.hosts)):
            return HTTPStatus.FORBIDDEN, "only the playground's own page may ask"
        if not hmac.compare_digest(
            headers.get(TOKEN_HEADER, "").encode("utf-8", "replace"), self.server.token.encode()
        ):
            return HTTPStatus.FORBIDDEN, "the page is from an earlier start of the playground: reload it"
        if headers.get_content_type() != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request is application/json"
        length = headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return HTTPStatus.LENGTH_REQUIRED, "a request says how long it is"
        if len(length) > 9 or int(length) > LARGEST_REQUEST:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {LARGEST_REQUEST:,} bytes"
        return None

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self.close_connection = True
        self._send(status, "application/json", json.dumps({"problem": {"message": message}}).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def _page(source: str, token: str) -> tuple[bytes, str]:
    """The page, and its security policy, with which it can ask nobody but this server."""
    code, css = script("playground.js"), style() + asset("playground.css")
    policy = (
        f"default-src 'none'; script-src {digest(code)}; style-src {digest(css)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    settings = json.dumps({"source": source, "token": token, "header": TOKEN_HEADER}).replace("<", "\\u003c")
    text = _PAGE.format(title=html.escape("Tracr Lab playground"), style=css, settings=settings, script=code)
    return text.encode(), policy


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="tl-page">
<main id="playground"></main>
<script type="application/json" id="settings">{settings}</script>
<script type="module">{script}</script>
</body>
</html>
"""
