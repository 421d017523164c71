"""A command whose errors are one line and an exit status."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any

import click

from tracrlab.errors import ParseError, TracrLabError


class OneLineErrors(click.Group):
    """A command group whose errors are one line on stderr and an exit status, never a traceback.

    Status 2: something is wrong with what the user gave. 1: a bug of Tracr Lab, or output nobody reads. 130: stopped by
    the user.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        extra["standalone_mode"] = False
        try:
            status = super().main(*args, **extra)
        except click.UsageError as error:
            help_hint = f" '{error.ctx.command_path} --help' says more." if error.ctx else ""
            status = report(error.format_message() + help_hint)
        except click.ClickException as error:
            status = report(error.format_message())
        except click.Abort:
            status = 130
        except ParseError as error:
            headline, *excerpt = str(error).split("\n")  # the line, and a caret below it
            status = report(headline)
            click.echo("\n".join(excerpt), err=True)
        except TracrLabError as error:
            status = report(str(error))
        except MemoryError:
            status = report("out of memory; try a smaller vocabulary or --max-len")
        except OSError as error:
            status = _system_error(error)
        except Exception as error:
            if os.environ.get("TRACRLAB_DEBUG"):
                raise
            from tracrlab.cli.show import internal_error

            report(internal_error(error))
            status = 1
        sys.exit(status if isinstance(status, int) else 0)


def report(message: str) -> int:
    """Say on stderr what is wrong; the status to leave with."""
    from tracrlab.rasp.display import printable

    click.echo(f"tracrlab: {printable(message)}", err=True)
    return 2


def _system_error(error: OSError) -> int:
    """Say which file it is about. Without one it is the output, to which Python must not write again when it exits."""
    if error.filename is not None:
        return report(f"{error.filename}: {error.strerror}")
    with suppress(OSError, AttributeError):  # an output that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if error.errno == errno.EPIPE else report(f"cannot write the output: {error.strerror or error}")
