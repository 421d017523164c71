"""Array annotations such as ``Float[np.ndarray, "batch position"]``, in jaxtyping's notation.

They are jaxtyping's own for type checkers, and when jaxtyping has been imported before this package, as the tests do
to check every shape at run time. Otherwise they are placeholders, because importing jaxtyping takes longer than the
rest of the package together.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int
else:

    class _Unchecked:
        """Stands in for a jaxtyping annotation."""

        def __class_getitem__(cls, item: Any) -> Any:
            return item[0]

    Bool = Float = Int = _Unchecked

__all__ = ["Bool", "Float", "Int"]
