"""One exchange on the wire: how long each step may take, enforced at the socket, and how far it has got.

urllib3's timeouts limit single socket operations, so headers, interim answers, chunk sizes or a body that trickle in
can outlast any of them. Here the time left is set before every operation instead.
"""

import http.client
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal


class ConnectError(http.client.HTTPException):
    """No connection could be made to any address of the host."""


class Exchange:
    """One attempt: how long each step may take, and how far it has got.

    `sent` is set just before the first byte of the request may leave; the exception class does not tell, since a
    stalled TLS handshake and a stalled answer look alike. `limit` names the setting that limits the current operation,
    and `with_proxy` says whether that is the TLS handshake with the proxy.
    """

    __slots__ = (
        "_clock", "_connect_by", "connect_timeout", "connecting", "deadline", "limit", "pid", "read_timeout", "sent",
        "sock", "status", "with_proxy",
    )  # fmt: skip

    def __init__(
        self,
        clock: Callable[[], float],
        deadline: float | None,
        connect_timeout: float | None,
        read_timeout: float | None,
    ) -> None:
        self._clock = clock
        self._connect_by: float | None = None
        self.deadline = deadline
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.connecting = False
        self.with_proxy = False
        self.limit: Literal["timeout", "connect_timeout", "read_timeout"] = "timeout"
        self.sent = False
        # The connection, while the answer is being read from it.
        self.sock: Any = None
        self.status: int | None = None
        self.pid = os.getpid()

    def begin_connecting(self) -> None:
        """Start the clock for connecting, including TLS and proxy."""
        self.connecting = True
        self._connect_by = None if self.connect_timeout is None else self._clock() + self.connect_timeout

    def time_left(self) -> float | None:
        """Return the seconds that the next socket operation may take; raise `TimeoutError` where none are left."""
        if self.connecting:
            left, self.limit = self._until(self._connect_by), "connect_timeout"
        else:
            left, self.limit = self.read_timeout, "read_timeout"
        whole = self._until(self.deadline)
        if whole is not None and (left is None or whole < left):
            left, self.limit = whole, "timeout"
        if left is not None and left <= 0:
            raise TimeoutError
        return left

    def hang_up(self) -> None:
        """End the connection, even while another thread is waiting for more of the answer."""
        sock = self.sock
        if sock is None:
            return
        while not isinstance(sock, socket.socket):
            sock = sock.socket
        with suppress(OSError):
            # Not the socket's own `shutdown`: that of TLS would drop state that another thread may be reading with.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _until(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self._clock()


class _Current(threading.local):
    exchange: Exchange | None = None


# urllib3's calls pass on nothing but a timeout, so the connection finds its exchange here.
_current = _Current()


class exchanging:  # noqa: N801 - used like a function
    """A context in which this thread's connections work for `exchange`."""

    __slots__ = ("_exchange", "_outer")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        # A signal handler may make a call during another one.
        self._outer = _current.exchange
        _current.exchange = self._exchange

    def __exit__(self, *_: object) -> None:
        _current.exchange = self._outer
