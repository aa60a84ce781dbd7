"""Runs the short form of the soak test; the long form is a command of its own."""

import pytest

from transport.soak import soak


@pytest.mark.long
def test_random_faults_lose_nothing_and_leave_nothing_open() -> None:
    assert soak(calls=3000, threads=16, seed=1) == []
