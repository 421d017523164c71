"""Figures of a compiled model: residual stream, attention patterns, stages of compiling, weights, cost."""
