"""Checks that every test of the transport releases its sockets and threads."""

import gc
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme
from authority import Authority

from transport.calls import open_sockets


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Make a test fail if it leaves a socket or a thread."""
    sockets, threads = len(open_sockets()), threading.active_count()
    yield
    if len(open_sockets()) > sockets or threading.active_count() > threads:
        # Tracebacks of exceptions may have kept some alive.
        gc.collect()
    # There may be fewer than before, since those of an earlier test may be freed at any time.
    assert len(open_sockets()) <= sockets
    assert threading.active_count() <= threads


@pytest.fixture(scope="session")
def ca(authority: Authority) -> trustme.CA:
    """Return the authority that issues certificates."""
    return authority.ca


@pytest.fixture(scope="session")
def ca_file(authority: Authority) -> str:
    """Return the file with the authority's certificate."""
    return authority.path("ca.pem")


@pytest.fixture(scope="session")
def server_tls(authority: Authority) -> ssl.SSLContext:
    """Return the TLS context of a server for `127.0.0.1` and `localhost`."""
    return authority.server_context("127.0.0.1", "localhost")
