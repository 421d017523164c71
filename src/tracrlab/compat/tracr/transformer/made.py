"""New parameters to train, which haiku makes inside ``hk.transform``; compiled models run given ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import Any


class MadeParams(Mapping[str, "MadeLinear"]):
    """The linear maps of a transformer by their names, all in the haiku module ``root``.

    ``sizes`` are those of the kinds of maps that do not write the residual stream.
    """

    def __init__(self, root: str, sizes: Mapping[str, int]) -> None:
        self.root = root
        self.sizes = sizes

    @cached_property
    def module(self) -> Any:
        """The module around all parameters: each call is in its scope anew, so that names are not numbered."""
        return sys.modules["haiku"].to_module(lambda function: function())(name=self.root)

    def matrix(self, name: str, shape: tuple[int, int]) -> Any:
        """A matrix of the module itself, whose numbers are drawn from a normal distribution."""
        haiku = sys.modules["haiku"]
        return self.module(lambda: haiku.get_parameter(name, shape, init=haiku.initializers.RandomNormal()))

    def __getitem__(self, name: str) -> MadeLinear:
        return MadeLinear(self, name.removeprefix(f"{self.root}/"))

    def __iter__(self) -> Iterator[str]:
        return iter(())  # there is nothing to look at before haiku has made it

    def __len__(self) -> int:
        return 0


class MadeLinear(Mapping[str, Any]):
    """A linear map whose parameters haiku makes where it is first applied, or takes from those it is given."""

    def __init__(self, params: MadeParams, name: str) -> None:
        self._params = params
        *self._scopes, self._name = name.split("/")

    def __call__(self, vectors: Any, width: int) -> Any:
        """The map of vectors, to the size that its kind has, or to the ``width`` of the residual stream."""
        haiku = sys.modules["haiku"]

        def apply() -> Any:
            with ExitStack() as scopes:
                for scope in self._scopes:
                    scopes.enter_context(haiku.experimental.name_scope(scope))
                return haiku.Linear(self._params.sizes.get(self._name, width), name=self._name)(vectors)

        return self._params.module(apply)

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def in_transform() -> bool:
    """Whether haiku is making parameters, or is given them, around what runs now."""
    haiku = sys.modules.get("haiku")
    if haiku is None:
        return False
    try:
        haiku.running_init()
    except ValueError:  # not inside hk.transform
        return False
    return True
