"""The playground: a page, served to this machine only, where a person edits a RASP program and explores its model."""

from tracrlab.viz.playground.server import EXAMPLE, Playground

__all__ = ["EXAMPLE", "Playground"]
