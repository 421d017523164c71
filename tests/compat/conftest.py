"""The tests of this folder import ``tracr``, which is Tracr Lab's."""

from __future__ import annotations

from tracrlab import compat

compat.install()
