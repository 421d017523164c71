"""``python -m tracrlab.compat script.py [arguments]``: run a script that imports ``tracr``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from runpy import run_path
from types import TracebackType

from tracrlab.compat import install
from tracrlab.errors import ForeignModuleError

_USAGE = "usage: python -m tracrlab.compat SCRIPT [ARGUMENTS]"


def main() -> None:
    """Run the script that the command line names as Python would; it finds ``tracr`` installed."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        _leave(_USAGE, 0 if len(sys.argv) > 1 else 2)
    script = Path(sys.argv[1])
    if not script.is_file():
        _leave(f"{script}: no such script. {_USAGE}", 2)
    try:
        install()
    except ForeignModuleError as error:
        _leave(str(error), 2)
    del sys.argv[0]
    if not sys.flags.safe_path:
        sys.path[0] = str(script.resolve().parent)
    sys.excepthook = partial(_report, str(script))
    run_path(str(script), run_name="__main__")


def _report(script: str, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print an error as Python does, from the script's own lines on."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename != script:
        traceback = traceback.tb_next
    sys.__excepthook__(kind, error.with_traceback(traceback), traceback)


def _leave(message: str, status: int) -> None:
    print(message, file=sys.stderr if status else sys.stdout)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
