"""The guard against network connections works."""

import socket

import pytest


def test_no_connection_leaves_the_machine() -> None:
    """A test that connects elsewhere fails, and no `except OSError` of the client can hide it."""
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
            sock.connect(("192.0.2.1", 443))
