"""Functions that may divide by zero."""

from tracrlab.compat.compilation import ignoring_arithmetic_errors

__all__ = ["ignoring_arithmetic_errors"]
