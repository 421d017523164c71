"""Tracr Lab: transformers whose mechanism is known, compiled from RASP programs.

>>> import tracrlab
>>> from tracrlab import rasp
>>> model = tracrlab.compile(rasp.selector_width(rasp.select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)), "ab", 3)
>>> model("aba")
[2, 1, 2]
"""

from tracrlab.compiler.driver import compile_program as compile
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.storage import load_model as load

__version__ = "0.1.0"

__all__ = ["CompiledModel", "compile", "load"]
