"""Tracr's RASP."""
