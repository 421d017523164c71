"""Tracr Lab: transformers whose mechanism is known, compiled from RASP programs."""

__version__ = "0.1.0"
