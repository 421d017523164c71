"""Tracr's modules under their own names; :func:`tracrlab.compat.install` lets scripts import them as ``tracr``."""
