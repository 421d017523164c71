"""Builders of single blocks."""
