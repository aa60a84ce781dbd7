"""The short form of the soak; the long one is a command of its own."""

from transport.soak import soak


def test_under_random_faults_nothing_is_lost_or_left() -> None:
    assert soak(calls=3000, threads=16, seed=1) == []
