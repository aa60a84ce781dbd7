"""The short form of the soak; the long one is a command of its own."""

import pytest
from transport.soak import soak


@pytest.mark.parametrize("seed", [1, 2])
def test_under_random_faults_nothing_is_lost_or_left(seed: int) -> None:
    assert soak(calls=3000, threads=16, seed=seed) == []
