"""Measurements and stress tests that are too slow for the test suite."""
