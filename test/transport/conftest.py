"""Every test of the transport gives back the sockets and threads that it took."""

import gc
import threading
from collections.abc import Iterator

import pytest
from transport.calls import open_sockets


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a socket or a thread."""
    before = len(open_sockets()), threading.active_count()
    yield
    after = len(open_sockets()), threading.active_count()
    if after != before:
        # What an exception's traceback held on to.
        gc.collect()
        after = len(open_sockets()), threading.active_count()
    assert after == before
