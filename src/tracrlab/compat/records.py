"""Records that are mappings as well, as the outputs of Tracr's models are."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self


@dataclasses.dataclass(eq=False)
class Record(Mapping[str, Any]):
    """Base of dataclasses whose fields can be read as attributes and as items.

    To JAX they are trees of arrays, so that functions that return them can be compiled, mapped and differentiated.
    """

    _known_to_jax: ClassVar[set[type]] = set()

    def __post_init__(self) -> None:
        """Tell JAX, if it is used, what the leaves of such records are."""
        jax, kind = sys.modules.get("jax"), type(self)
        if jax is not None and kind not in Record._known_to_jax:
            Record._known_to_jax.add(kind)
            jax.tree_util.register_dataclass(kind, data_fields=list(kind._names()), meta_fields=[])

    def __getitem__(self, key: str) -> Any:
        if key not in self._names():
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def to_tuple(self) -> tuple[Any, ...]:
        """The values of the fields."""
        return tuple(self.values())

    @classmethod
    def from_tuple(cls, args: Sequence[Any]) -> Self:
        """The record with these values of its fields."""
        return cls(*args)

    def replace(self, **kwargs: Any) -> Self:
        """The same with other values of some fields."""
        return dataclasses.replace(self, **kwargs)

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in dataclasses.fields(cls))
