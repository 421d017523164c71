"""The files that commands write: at a path, or for ``-`` to standard output."""

from __future__ import annotations

import sys

import click

from tracrlab.errors import OutputError
from tracrlab.files import check_output, complaint, is_stream, write_output

STANDARD_OUTPUT = "-"
OUTPUT_HELP = "- is standard output"


def check(path: str) -> None:
    """Raise before long work whose result could not be written.

    Raises:
        OutputError: it can be seen not to go there.
    """
    if path != STANDARD_OUTPUT:
        try:
            check_output(path)
        except OSError as error:
            raise OutputError(complaint(path, error)) from error


def write(path: str, content: bytes, done: str | None = None) -> None:
    """Write a file, and say what is ``done``, unless that would come into what a stream is given.

    Raises:
        OutputError: it cannot be written.
    """
    if path == STANDARD_OUTPUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    try:
        write_output(path, content)
        silent = is_stream(path)
    except OSError as error:
        raise OutputError(complaint(path, error)) from error
    if done is not None and not silent:
        click.echo(f"{done} {path}")
