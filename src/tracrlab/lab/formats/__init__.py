"""A case's truth, or a method's answer, in the files and names of other tools for circuits.

- ``eap_ig``: the graph files of EAP-IG, which MIB reads;
- ``hooks``: edges as pairs of hook points of TransformerLens, as ACDC's tuples and with AutoCircuit's names.

None of them tells tokens, positions and constants of the embedding apart, or not all of them; the modules say what
becomes of these edges.
"""
