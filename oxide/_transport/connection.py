"""A connection that works for one exchange at a time: it keeps the deadline at the socket."""

import http.client
import io
import socket
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from oxide._transport.exchange import ConnectError, Exchange
from oxide._transport.http1 import BUFFER_SIZE, Lines, Reader, StrictResponse


# http.client passes its response class only the socket; as a method, this gets the connection too.
def _response_class(
    connection: "WireConnection",
    sock: object,  # noqa: ARG001 - as http.client calls it
    debuglevel: int = 0,  # noqa: ARG001 - as http.client calls it
    method: str | None = None,
) -> StrictResponse:
    return StrictResponse(connection, method)


if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection as _Base
else:
    _Base = object


class WireConnection(_Base):
    """A mixin for urllib3's connections that works for one exchange at a time."""

    # Setting this on http.client's own class would otherwise print every request, with the token.
    debuglevel = 0
    response_class: Any = _response_class
    resolve: Mapping[str, str] = MappingProxyType({})
    extra_socket_options: Sequence[tuple[Any, ...]] = ()
    _exchange: Exchange

    # Hidden from type checkers, for which a property cannot take the place of an attribute.
    if not TYPE_CHECKING:

        @property
        def timeout(self):
            """None: the exchange sets the time left before each operation, and nothing else limits it.

            What urllib3 assigns is the exchange to work for from now on (see `ExchangeTimeout`).
            """
            return None

        @timeout.setter
        def timeout(self, value):
            # Not `http.client`'s default, which its constructor assigns.
            if isinstance(value, Exchange):
                self._exchange = value

    def connect(self) -> None:
        exchange = self._exchange
        exchange.begin_connecting()
        super().connect()
        exchange.connecting = False

    # Not `send`: our frame there would hold the request, with the token, in a traceback.
    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        exchange = self._exchange
        if self.sock is None:
            self.connect()
        assert self.sock is not None  # noqa: S101 - set by `connect`
        self.sock.settimeout(exchange.time_left())
        exchange.sent = True
        super().endheaders(message_body, encode_chunked=encode_chunked)
        # urllib3 sends the body next, within what is left.
        self.sock.settimeout(exchange.time_left())

    def has_unread(self) -> bool:
        """Return whether there are unread bytes that urllib3, which looks only at the socket, does not see."""
        return False

    def time_left(self) -> float | None:
        """Return the seconds that the next socket operation may take; raise `TimeoutError` where none are left."""
        return self._exchange.time_left()

    def _new_conn(self) -> socket.socket:
        host = self.resolve.get(self.host, self.host)
        try:
            addresses = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"the name {host!r} cannot be resolved"
            raise ConnectError(message) from error
        except UnicodeError:
            message = f"the name {host!r} cannot be resolved: it is not a host name"
            raise ConnectError(message) from None
        failure: OSError | None = None
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            try:
                return self._open(socket.socket(family, kind, protocol), address, len(addresses) - index)
            except OSError as error:
                failure = error
        message = f"cannot connect to {host} port {self.port}"
        raise ConnectError(message) from failure

    def _open(self, sock: socket.socket, address: Any, shares: int) -> socket.socket:
        """Connect within an even share of the time, so that a dead address leaves some for the next one."""
        try:
            for option in (*_SOCKET_OPTIONS, *self.extra_socket_options):
                sock.setsockopt(*option)
            left = self._exchange.time_left()
            sock.settimeout(None if left is None else left / shares)
            sock.connect(address)
            sock.settimeout(self._exchange.time_left())
        except BaseException:
            sock.close()
            raise
        return sock

    def _tunnel(self) -> None:
        super()._tunnel()
        if self.sock is None:
            message = "bytes after the proxy's response to CONNECT"
            raise http.client.HTTPException(message)
        # Limits the TLS handshake that follows to what is left now.
        self.sock.settimeout(self._exchange.time_left())

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - as http.client calls it
        """Return a file of the response's bytes, like that of a socket."""
        return Lines(Reader(self.sock, self._exchange), BUFFER_SIZE)


def _socket_options() -> tuple[tuple[int, int, int], ...]:
    """Return options that detect a dead peer: keep-alive after 30 s of silence, every 10 s, three times."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return tuple(options)


_SOCKET_OPTIONS = _socket_options()
