"""The compiler: RASP to Craft to the weights of a transformer (see ``driver`` for the stages in order)."""

from tracrlab.compiler.driver import compile_program

__all__ = ["compile_program"]
