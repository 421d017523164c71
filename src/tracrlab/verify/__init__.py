"""Proofs that a compiled model computes its program."""
