"""The intermediate representation between a program and its components.

``nodes`` are what it consists of; ``text`` prints them and ``parse`` reads them again; ``evaluate`` is their meaning.
"""
