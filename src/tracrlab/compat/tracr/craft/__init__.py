"""Tracr's assembly language: labelled spaces, functions on them, blocks of a transformer."""
