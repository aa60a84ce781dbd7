"""The deadline and the progress of one exchange: how long each step may still take, and how far it has got.

urllib3's timeouts limit single socket operations, so headers, interim responses, chunk sizes or a body that trickle in
can outlast any of them. Here the time left is set before every operation instead.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, NamedTuple

_forks = 0


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


def this_process() -> tuple[int, int]:
    """Return what tells this process from the ones that it is a fork of.

    The ID alone does not: each of them may be number 1 of a namespace of its own. The count alone does not either,
    since only a fork by Python is counted.
    """
    return os.getpid(), _forks


class Limits(NamedTuple):
    """How long a call may take, in seconds; None for no limit.

    Attributes:
        whole: the whole call (the setting `timeout`).
        connect: one attempt to connect, with TLS and proxy (`connect_timeout`).
        silence: each stretch of time in which the server sends nothing (`read_timeout`).
    """

    whole: float | None = None
    connect: float | None = None
    silence: float | None = None


class Exchange:
    """One attempt: how long each step may take, by its clock, and how far it has got.

    `sent` is set just before the first byte of the request may leave; the exception class does not tell, since a
    stalled TLS handshake and a stalled response look alike. `limit` names the setting that limits the current
    operation, and `with_proxy` says whether that is the TLS handshake with the proxy.
    """

    def __init__(self, clock: Callable[[], float], deadline: float | None, limits: Limits) -> None:
        self.clock = clock
        self._connect_by: float | None = None
        # When the whole call has to end; `limits.whole` counts from its start, which may be some attempts ago.
        self.deadline = deadline
        self.limits = limits
        self.connecting = False
        self.with_proxy = False
        self.limit: Literal["timeout", "connect_timeout", "read_timeout"] = "timeout"
        self.sent = False
        # The connection, while the response is being read from it.
        self.sock: Any = None
        self.status: int | None = None
        self.process = this_process()

    def begin_connecting(self) -> None:
        """Start the clock for connecting, including TLS and proxy."""
        self.connecting = True
        self._connect_by = None if self.limits.connect is None else self.clock() + self.limits.connect

    def time_left(self) -> float | None:
        """Return the seconds that the next socket operation may take; raise `TimeoutError` where none are left."""
        if self.connecting:
            left, self.limit = self._until(self._connect_by), "connect_timeout"
        else:
            left, self.limit = self.limits.silence, "read_timeout"
        whole = self._until(self.deadline)
        if whole is not None and (left is None or whole < left):
            left, self.limit = whole, "timeout"
        if left is not None and left <= 0:
            raise TimeoutError
        return left

    def hang_up(self) -> None:
        """End the connection, even while another thread is waiting for more of the response."""
        sock = self.sock
        if sock is None:
            return
        while not isinstance(sock, socket.socket):
            sock = sock.socket
        with suppress(OSError):
            # Not the socket's own `shutdown`: that of TLS would drop state that another thread may be reading with.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _until(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self.clock()
