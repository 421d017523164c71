"""What tests of vectors share."""

from __future__ import annotations

import unittest
from importlib.util import find_spec

import numpy as np

from tracrlab.compat.tracr.craft import bases


def _test_case() -> type[unittest.TestCase]:
    """A test case of absl, whose decorators refuse others, where absl is installed."""
    if find_spec("absl") is None:
        return unittest.TestCase
    from absl.testing import parameterized

    own: type[unittest.TestCase] = parameterized.TestCase
    return own


_TestCase = _test_case()


def strip_bos_token(vector: bases.VectorInBasis) -> bases.VectorInBasis:
    """The vectors of all positions but the first."""
    return vector.copy_with_new_magnitudes(vector.magnitudes[1:])


class VectorFnTestCase(_TestCase):  # type: ignore[misc, valid-type]
    """A test case that compares vectors; with absl, one that takes parameters."""

    def assertVectorAllClose(self, v1: bases.VectorInBasis, v2: bases.VectorInBasis) -> None:
        """Check that two vectors are over the same directions and nearly equal."""
        self.assertEqual(v1.basis_directions, v2.basis_directions)
        np.testing.assert_allclose(v1.magnitudes, v2.magnitudes, rtol=1e-5, atol=1e-7)
