"""The pytest fixture `oxide_simulator`, available to every test once `oxide[testing]` is installed.

pytest loads this module at every start, so it imports nothing but pytest until a test asks for the fixture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from oxide.testing import Simulator


@pytest.fixture
def oxide_simulator() -> "Iterator[Simulator]":
    """Run an empty simulator on its own port for the duration of the test."""
    from oxide.testing import Simulator

    with Simulator() as simulator:
        yield simulator
