"""Drawings: the flow of a computation.

They need matplotlib, which the extra ``viz`` installs.
"""

from tracrlab.viz.flow import draw_flow, flow_figure

__all__ = ["draw_flow", "flow_figure"]
