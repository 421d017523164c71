"""Tracr's compiler: its driver, its stages and its library of programs."""

from tracrlab.compat.tracr.compiler.compiling import compile_rasp_to_model

__all__ = ["compile_rasp_to_model"]
