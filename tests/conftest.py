"""What all tests share."""

import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from hypothesis import settings

import tests.runtime_types  # noqa: F401  the option --jaxtyping-packages finds it only once it is imported
from tests.viz.explorer.browser import HAS_CHROMIUM

NEEDS = {  # what the tests of a folder import, beyond what the extra "test" installs
    "compress": {"matplotlib", "pyarrow", "scipy", "torch"},
    "export": {"jax", "onnx", "onnxruntime", "tokenizers", "torch", "transformers"},
    "lab": {"scipy", "torch"},
    "learn": {"torch"},
    "viz/test_figures.py": {"matplotlib"},
    "viz/test_flow.py": {"matplotlib"},
}
MISSING = {part: {package for package in packages if find_spec(package) is None} for part, packages in NEEDS.items()}
collect_ignore = [part for part, packages in MISSING.items() if packages]

settings.register_profile("tracrlab", deadline=None)  # machines differ, and runtime type checks take their time
settings.load_profile("tracrlab")


def pytest_report_header() -> list[str]:
    """Say which tests are left out."""
    return [
        f"not collected: {part}, for want of {', '.join(sorted(packages))}"
        for part, packages in MISSING.items()
        if packages
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of pages need a browser."""
    if item.get_closest_marker("browser") and not HAS_CHROMIUM:
        pytest.skip("Chromium or playwright is not installed")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes started by a test can be interrupted, also where the tests run in the background.

    A shell starts its background jobs with SIGINT ignored, their children inherit that, and Python then installs no
    handler. A signal that has a handler here is back at its default in a new process.
    """
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)
