"""Rewrites of the intermediate representation into itself, a theorem a file: the program means the same."""
