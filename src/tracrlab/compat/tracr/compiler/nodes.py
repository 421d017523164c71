"""The keys of what a graph of expressions knows about each of them."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]
NodeID = str

ID = "ID"
EXPR = "EXPR"
VALUE_SET = "VALUE_SET"
OUTPUT_BASIS = "OUTPUT_BASIS"
MODEL_BLOCK = "MODEL_BLOCK"
