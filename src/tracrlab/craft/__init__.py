"""Craft, the assembly language: labelled variables, and attention heads and MLPs over them."""
