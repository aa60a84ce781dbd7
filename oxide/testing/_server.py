"""Sockets and threads: one thread accepts connections, and each of them has its own."""

import errno
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from oxide.testing._connection import Connection, ConnectionEnd

_BACKLOG: Final = 128
_PAUSE: Final = 0.05  # seconds


class Server:
    """A server that listens from its construction until `stop`; connections wait until `start`."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None):
        self._tls = tls
        self._stopping = threading.Event()
        # Used by the accepting thread, and by `stop` once that thread has ended.
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._closing = threading.Lock()
        self._listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
        self._listener.settimeout(0)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for waited_for in (self._listener, self._woken):
            self._selector.register(waited_for, selectors.EVENT_READ)
        self._acceptor: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Return the port listened on."""
        port: int = self._listener.getsockname()[1]
        return port

    def start(self, serve: Callable[[Connection], None]) -> None:
        """Let `serve` handle each connection in its own thread."""
        self._serve = serve
        self._acceptor = threading.Thread(target=self._accept, name="oxide-simulator", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """End every connection, whatever it is doing, and return once no thread or socket is left."""
        self._stopping.set()
        self._wake.send(b"\0")
        if self._acceptor is not None:
            self._acceptor.join()
        for stopped in (self._selector, self._listener, self._wake, self._woken):
            stopped.close()
        for peer in self._connections.values():
            # The thread that uses the socket closes it; this ends its wait. (The `shutdown` of an `SSLSocket` is
            # not safe from another thread.)
            with self._closing, suppress(OSError):
                socket.socket.shutdown(peer, socket.SHUT_RDWR)
        for thread in self._connections:
            thread.join()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            self._selector.select()
            try:
                self._start(self._listener.accept()[0])
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE}:
                    # Out of file descriptors; the connection is still waiting to be accepted.
                    self._stopping.wait(_PAUSE)

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
        thread = threading.Thread(target=self._run, args=(peer,), name="oxide-simulator", daemon=True)
        self._connections[thread] = peer
        thread.start()

    def _run(self, peer: socket.socket) -> None:
        try:
            if isinstance(peer, ssl.SSLSocket):
                peer.do_handshake()
            self._serve(Connection(peer, self._stopping))
        except (ConnectionEnd, OSError):
            pass
        finally:
            with self._closing:
                peer.close()
