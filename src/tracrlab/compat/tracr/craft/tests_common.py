"""What tests of vectors share."""

from __future__ import annotations

import unittest

import numpy as np

from tracrlab.compat.tracr.craft import bases

try:  # decorators of absl refuse other test cases
    from absl.testing.parameterized import TestCase
except ImportError:
    TestCase = unittest.TestCase


def strip_bos_token(vector: bases.VectorInBasis) -> bases.VectorInBasis:
    """The vectors of all positions but the first."""
    return vector.copy_with_new_magnitudes(vector.magnitudes[1:])


class VectorFnTestCase(TestCase):  # type: ignore[misc]
    """A test case that compares vectors; with absl, one that takes parameters."""

    def assertVectorAllClose(self, v1: bases.VectorInBasis, v2: bases.VectorInBasis) -> None:
        """Check that two vectors are over the same directions and nearly equal."""
        self.assertEqual(v1.basis_directions, v2.basis_directions)
        np.testing.assert_allclose(v1.magnitudes, v2.magnitudes, rtol=1e-5, atol=1e-7)
