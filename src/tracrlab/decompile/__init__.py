"""From weights back to RASP: the decompiler."""

from tracrlab.decompile.certificate import Certificate
from tracrlab.decompile.decompiling import Decompilation, FoundVariable, decompile
from tracrlab.decompile.network import Network

__all__ = ["Certificate", "Decompilation", "FoundVariable", "Network", "decompile"]
