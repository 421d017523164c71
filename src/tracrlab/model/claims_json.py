"""Claims as JSON beside a set of arrays, to which the JSON refers by name; equal arrays are kept once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tracrlab.craft.claims import (
    Claims,
    EmbeddingClaim,
    HeadClaim,
    MLPClaim,
    NumberClaim,
    PredicateClaim,
    Quantity,
    ReadoutClaim,
    Scope,
    View,
)
from tracrlab.model.json_values import typed, value_from_json, value_to_json
from tracrlab.model.labels import Labels
from tracrlab.shapes import Float, Int

Arrays = dict[str, np.ndarray]


def claims_to_json(claims: Claims) -> tuple[dict[str, Any], Arrays]:
    """The claims as JSON, and the arrays that it refers to.

    Raises:
        ModelFileError: an answer has no JSON form.
    """
    writer = _Writer({})
    data = {
        "embeddings": [
            {
                "writes": claim.writes,
                "by_token": writer.optional(claim.by_token),
                "by_position": writer.optional(claim.by_position),
            }
            for claim in claims.embeddings
        ],
        "components": [writer.component(claim) for claim in claims.components],
        "readout": None if claims.readout is None else writer.readout(claims.readout),
        "scope": None if claims.scope is None else _scope_to_json(claims.scope),
    }
    return data, writer.arrays


def claims_from_json(data: dict[str, Any], arrays: Mapping[str, np.ndarray], labels: Labels) -> Claims:
    """The claims that :func:`claims_to_json` made JSON and arrays of.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: it made none such, or they do not fit the labels.
    """
    reader = _Reader(arrays, {entry.name: entry.variable.width for entry in labels.variables})
    return Claims(
        tuple(
            EmbeddingClaim(
                reader.name(each["writes"]),
                reader.rows(each["by_token"], each["writes"]),
                reader.rows(each["by_position"], each["writes"]),
            )
            for each in data["embeddings"]
        ),
        tuple(map(reader.component, data["components"])),
        None if data["readout"] is None else reader.readout(data["readout"]),
        None if data.get("scope") is None else _scope_from_json(data["scope"]),  # older files do not say
    )


def _scope_to_json(scope: Scope) -> dict[str, Any]:
    return dict(vars(scope)) | {"vocab": list(map(value_to_json, scope.vocab))}


def _scope_from_json(data: dict[str, Any]) -> Scope:
    return Scope(
        tuple(map(value_from_json, typed(data["vocab"], list))),
        typed(data["max_seq_len"], int),
        typed(data["causal"], bool),
        typed(data["bos"], str),
        typed(data["pad"], str),
        typed(data["dtype"], str),
    )


class _Writer:
    """Turns claims into JSON and collects their arrays."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    def array(self, array: np.ndarray) -> str:
        """The name of an array, made of its content."""
        array = np.array(array, np.int32 if array.dtype.kind == "i" else array.dtype, order="C")
        name = hashlib.sha256(repr((array.shape, array.dtype.str)).encode() + array.tobytes()).hexdigest()[:16]
        self.arrays[name] = array
        return name

    def optional(self, array: np.ndarray | None) -> str | None:
        return None if array is None else self.array(array)

    def component(self, claim: MLPClaim | NumberClaim | HeadClaim) -> dict[str, Any]:
        common = {"writes": claim.writes, "results": self.array(claim.results)}
        match claim:
            case MLPClaim():
                quantities = list(map(self.quantity, claim.quantities))
                return common | {"kind": "mlp", "quantities": quantities, "view": self.view(claim.view)}
            case NumberClaim():
                reads = [[name, [factor.hex() for factor in factors.tolist()]] for name, factors in claim.reads]
                numbers = self.array(claim.numbers)
                return common | {"kind": "number", "reads": reads, "numbers": numbers, "present": claim.present}
            case HeadClaim():
                return common | {
                    "kind": claim.kind,
                    "queries": list(map(self.quantity, claim.queries)),
                    "keys": list(map(self.quantity, claim.keys)),
                    "predicates": [
                        {"query": self.view(each.query), "key": self.view(each.key), "matrix": self.array(each.matrix)}
                        for each in claim.predicates
                    ],
                    "values": list(map(self.quantity, claim.values)),
                    "value": self.view(claim.value),
                    "default": self.array(claim.default),
                    "never_empty": claim.never_empty,
                    "longest": claim.longest,
                    "latest": claim.latest,
                }

    def readout(self, claim: ReadoutClaim) -> dict[str, Any]:
        return {
            "quantities": list(map(self.quantity, claim.quantities)),
            "view": self.view(claim.view),
            "answers": list(map(value_to_json, claim.answers)),
        }

    def quantity(self, quantity: Quantity) -> dict[str, Any]:
        return {
            "size": quantity.size,
            "contents": {name: self.array(table) for name, table in quantity.contents.items()},
        }

    def view(self, view: View) -> dict[str, Any]:
        return {"quantities": list(view.quantities), "places": self.array(view.places)}


class _Reader:
    """Turns JSON into claims and checks that they fit each other and the variables of the model."""

    def __init__(self, arrays: Mapping[str, np.ndarray], widths: Mapping[str, int]) -> None:
        self.arrays = arrays
        self.widths = widths

    def name(self, name: str) -> str:
        if name not in self.widths:
            raise ValueError(f"a claim is about {name!r}, which is no variable of the model")
        return name

    def numbers(self, name: str, shape: tuple[int | None, ...]) -> Float[np.ndarray, "..."]:
        array = self.arrays[name]
        self._require(
            array.dtype == np.float64
            and len(array.shape) == len(shape)
            and all(want in (None, size) for want, size in zip(shape, array.shape, strict=True))
            and bool(np.isfinite(array).all())
        )
        return array

    def factors(self, name: str, data: list[str] | str) -> Float[np.ndarray, " width"]:
        """A factor for each dimension of a variable; files of older versions have one for the first."""
        given = [float.fromhex(factor) for factor in ([data] if isinstance(data, str) else data)]
        self._require(len(given) <= self.widths[name] and all(map(math.isfinite, given)))
        return np.array(given + [0.0] * (self.widths[name] - len(given)))

    def rows(self, name: str | None, variable: str) -> Float[np.ndarray, "row width"] | None:
        return None if name is None else self.numbers(name, (None, self.widths[self.name(variable)]))

    def quantities(self, data: list[dict[str, Any]]) -> tuple[Quantity, ...]:
        return tuple(
            Quantity(
                typed(each["size"], int),
                {
                    self.name(name): self.numbers(table, (each["size"], self.widths[name]))
                    for name, table in each["contents"].items()
                },
            )
            for each in data
        )

    def view(self, data: dict[str, Any], quantities: tuple[Quantity, ...], n_results: int) -> View:
        """A view whose places are those of ``n_results`` rows."""
        of = tuple(typed(place, int) for place in data["quantities"])
        places: Int[np.ndarray, "..."] = self.arrays[data["places"]]
        self._require(
            all(0 <= place < len(quantities) for place in of)
            and places.dtype.kind == "i"
            and places.shape == tuple(quantities[place].size for place in of)
            and bool(((places >= -1) & (places < n_results)).all())
        )
        return View(of, places)

    def component(self, data: dict[str, Any]) -> MLPClaim | NumberClaim | HeadClaim:
        writes = self.name(data["writes"])
        results = self.numbers(data["results"], (None, self.widths[writes]))
        if data["kind"] == "number":
            present = data["present"]
            return NumberClaim(
                writes,
                tuple((self.name(name), self.factors(name, factors)) for name, factors in data["reads"]),
                self.numbers(data["numbers"], (len(results),)),
                results,
                None if present is None else self.name(present),
            )
        if data["kind"] == "mlp":
            quantities = self.quantities(data["quantities"])
            return MLPClaim(writes, quantities, self.view(data["view"], quantities, len(results)), results)
        self._require(data["kind"] in ("copy", "mean", "total", "share"))
        queries, keys, values = (self.quantities(data[side]) for side in ("queries", "keys", "values"))
        return HeadClaim(
            writes,
            data["kind"],
            queries,
            keys,
            tuple(self.predicate(each, queries, keys) for each in data["predicates"]),
            values,
            self.view(data["value"], values, len(results)),
            results,
            self.numbers(data["default"], (self.widths[writes],)),
            typed(data["never_empty"], bool),
            typed(data["longest"], int),
            typed(data.get("latest", False), bool),  # files of older versions do not say
        )

    def predicate(
        self, data: dict[str, Any], queries: tuple[Quantity, ...], keys: tuple[Quantity, ...]
    ) -> PredicateClaim:
        matrix = self.arrays[data["matrix"]]
        self._require(matrix.dtype == np.bool_ and len(matrix.shape) == 2)
        query, key = self.view(data["query"], queries, len(matrix)), self.view(data["key"], keys, matrix.shape[1])
        return PredicateClaim(query, key, matrix)

    def readout(self, data: dict[str, Any]) -> ReadoutClaim:
        quantities = self.quantities(data["quantities"])
        answers = tuple(map(value_from_json, typed(data["answers"], list)))
        return ReadoutClaim(quantities, self.view(data["view"], quantities, len(answers)), answers)

    @staticmethod
    def _require(condition: bool) -> None:
        if not condition:
            raise ValueError("its claims do not fit together")
