"""Compiled models in the formats of other libraries; each module reads a ``CompiledModel`` and needs one extra."""
