"""Listens on a socket: one thread accepts connections, and each connection has a thread of its own."""

import errno
import os
import selectors
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from oxide.testing._connection import LOGGER, Connection, ConnectionEnd, Shared

_BACKLOG: Final = 128
_PAUSE: Final = 0.05  # seconds


class Server:
    """A server that listens from its construction until `stop`; connections wait until `start`."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None):
        self._tls = tls
        self._shared = Shared()
        # Used by the accepting thread, and by `stop` once that thread has ended.
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for waited_for in (self._listener, self._woken):
            self._selector.register(waited_for, selectors.EVENT_READ)
        self._acceptor: threading.Thread | None = None
        _SERVERS.add(self)

    def start(self, serve: Callable[[Connection], None]) -> None:
        """Let `serve` handle each connection in its own thread."""
        self._serve = serve
        acceptor = threading.Thread(target=self._accept, name="oxide-simulator", daemon=True)
        acceptor.start()
        self._acceptor = acceptor

    def stop(self) -> None:
        """End every connection, whatever it is doing, and return once no thread or socket is left."""
        self._shared.stopping.set()
        with suppress(OSError):
            self._wake.send(b"\0")
        if self._acceptor is not None:
            self._acceptor.join()
        for stopped in (self._selector, self._listener, self._wake, self._woken):
            stopped.close()
        for peer in self._connections.values():
            # The thread that uses the socket closes it; this ends its wait. (The `shutdown` of an `SSLSocket` is
            # not safe from another thread.)
            with self._shared.closing, suppress(OSError):
                socket.socket.shutdown(peer, socket.SHUT_RDWR)
        for thread in self._connections:
            thread.join()

    @property
    def connections(self) -> int:
        """Return how many connections there are."""
        return sum(thread.is_alive() for thread in list(self._connections))

    def leave_to_parent(self) -> None:
        """Close a forked process's copies of the sockets, which belong to the parent."""
        for inherited in (self._listener, self._wake, self._woken, *self._connections.values()):
            inherited.close()

    def _accept(self) -> None:
        while not self._shared.stopping.is_set():
            self._selector.select()
            try:
                self._start(self._listener.accept()[0])
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE}:
                    # Out of file descriptors; the connection is still waiting to be accepted.
                    self._shared.stopping.wait(_PAUSE)

    def _start(self, peer: socket.socket) -> None:
        try:
            peer.settimeout(None)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                peer = self._tls.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        except OSError:
            peer.close()
            raise
        for ended in [thread for thread in self._connections if not thread.is_alive()]:
            del self._connections[ended]
        connection = Connection(peer, self._shared)
        thread = threading.Thread(
            target=self._run, args=(peer, connection), name="oxide-simulator", daemon=True
        )
        self._connections[thread] = peer
        try:
            thread.start()
        except RuntimeError as error:
            # There are too many threads: this connection ends, and later ones may succeed.
            LOGGER.warning("a connection was closed: %s", error)
            del self._connections[thread]
            connection.close()

    def _run(self, peer: socket.socket, connection: Connection) -> None:
        try:
            if isinstance(peer, ssl.SSLSocket):
                peer.do_handshake()
            self._serve(connection)
        except (ConnectionEnd, OSError):
            pass
        finally:
            connection.close()


_SERVERS: Final[weakref.WeakSet[Server]] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for server in list(_SERVERS):
        server.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)
