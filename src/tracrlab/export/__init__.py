"""Compiled models in the formats of other libraries; each module reads a ``Artefact`` and needs one extra."""
