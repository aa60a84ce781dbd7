"""Every test of the transport gives back the sockets and threads that it took."""

import gc
import os
import threading
from collections.abc import Iterator

import pytest


def open_sockets() -> int:
    """Return how many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a socket or a thread."""
    before = open_sockets(), threading.active_count()
    yield
    after = open_sockets(), threading.active_count()
    if after != before:
        gc.collect()
        after = open_sockets(), threading.active_count()
    assert after == before
