"""Tracr's own API over Tracr Lab: scripts that import ``tracr`` run unchanged.

>>> from tracrlab import compat
>>> compat.install()
>>> from tracr.compiler import compiling, lib
>>> from tracr.rasp import rasp
>>> model = compiling.compile_rasp_to_model(
...     lib.make_reverse(rasp.tokens), vocab={"a", "b"}, max_seq_len=3, compiler_bos="BOS"
... )
>>> model.apply(["BOS", "a", "b"]).decoded
['BOS', 'b', 'a']
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import walk_packages

from tracrlab.errors import ForeignModuleError

_TARGET = "tracrlab.compat.tracr"


def install() -> None:
    """Make ``tracr`` and its modules names of those of this package, for the imports of this process.

    Raises:
        ForeignModuleError: another ``tracr`` has been imported.
    """
    package = import_module(_TARGET)
    if sys.modules.get("tracr", package) is not package:
        raise ForeignModuleError(
            f"tracr has been imported from {getattr(sys.modules['tracr'], '__file__', None)}: install the compatible "
            "one in a new process, before anything imports tracr"
        )
    names = [module.name for module in walk_packages(package.__path__, f"{_TARGET}.")]
    for name in [_TARGET, *names]:
        sys.modules["tracr" + name.removeprefix(_TARGET)] = import_module(name)
