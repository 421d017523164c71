"""The models that cases are about, a module a kind: each from a program, with the map to it.

A subject is a :class:`~tracrlab.lab.subjects.subject.Subject`; whoever makes one has not checked it, cases do.
"""
