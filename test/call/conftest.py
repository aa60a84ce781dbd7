"""A simulator with a client, for the tests of calls."""

from collections.abc import Iterator

import pytest
from core_support import Scene, open_scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Serve one test."""
    with open_scene() as scene:
        yield scene


@pytest.fixture(scope="module")
def module_scene() -> Iterator[Scene]:
    """Serve tests that make many calls, none of which depends on an earlier one."""
    with open_scene() as scene:
        yield scene
