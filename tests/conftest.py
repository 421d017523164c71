"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

import tests.runtime_types  # noqa: F401  the option --jaxtyping-packages finds it only once it is imported
from tests.viz.explorer.browser import HAS_CHROMIUM

settings.register_profile("tracrlab", deadline=None)  # machines differ, and runtime type checks take their time
settings.load_profile("tracrlab")


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
