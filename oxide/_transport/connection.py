"""A urllib3 connection that serves one exchange at a time and applies its deadline to each socket operation."""

import http.client
import io
import math
import socket
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from typing_extensions import override
from urllib3 import connection

from oxide._transport.exchange import Exchange
from oxide._transport.failures import ConnectError, SignalInterrupt, TunnelRefused, is_from_signal_handler
from oxide._transport.http1 import BUFFER_SIZE, Lines, Reader, StrictResponse, read_headers
from oxide._transport.recording import genuine

# A server that announces how long it keeps an idle connection closes it that many seconds too early, for all we know.
_IDLE_MARGIN = 1.0
# They detect a dead peer, or a connection that the network has forgotten. While idle or waiting, it is asked after 30 s
# of silence, every 10 s, three times; what has been sent has to be acknowledged within 30 s. Not every system has all.
_TIMES = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _TIMES.items()
        if hasattr(socket, name)
    ),
)
# Sockets that take a view of the bytes to send, whose `repr` does not show them: each frame down to the system call
# holds what is sent. Those that tests put in the place of the real ones may not.
_TAKE_VIEWS = frozenset({"eventlet", "gevent", "oxide", "socket", "ssl", "urllib3"})


# http.client passes its response class only the socket; as a method, this gets the connection too.
def _response_class(
    wire: "WireConnection",
    sock: object,  # noqa: ARG001 - as http.client calls it
    debuglevel: int = 0,  # noqa: ARG001 - as http.client calls it
    method: str | None = None,
) -> StrictResponse:
    return StrictResponse(wire, method)


if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection
else:
    HTTPConnection = genuine(connection.HTTPConnection)


class WireConnection(HTTPConnection):
    """A connection that works for one exchange at a time."""

    # Setting this on http.client's own class would otherwise print every request, with the token.
    debuglevel = 0
    response_class: Any = _response_class
    resolve: Mapping[str, str] = MappingProxyType({})
    extra_socket_options: Sequence[tuple[Any, ...]] = ()
    # The one to work for from now on.
    exchange: Exchange
    # The lines of the request so far, and the headers of a CONNECT, as http.client keeps them.
    _buffer: list[Any]
    _tunnel_headers: Mapping[str, Any]
    # Until when, by the clock of the exchanges, the server keeps the connection open while it is idle.
    _kept_until = math.inf

    @override
    def connect(self) -> None:
        exchange = self.exchange
        exchange.begin_connecting()
        super().connect()
        exchange.connecting = False
        self._kept_until = math.inf

    @override
    def request(self, *arguments: Any, **options: Any) -> None:
        try:
            super().request(*arguments, **options)
        except OSError as error:
            # urllib3 ignores some, since an early response may already be there.
            if is_from_signal_handler(error):
                raise SignalInterrupt from error
            raise

    # `http.client` would hold the value, and the whole request, in plain in its locals, which error reporters print.
    @override
    def putheader(self, header: str | bytes, *values: Any) -> None:
        name = header.encode("ascii") if isinstance(header, str) else header
        (value,) = values
        encoded = memoryview(
            b"%b: %b" % (name, value if isinstance(value, bytes) else value.encode("latin-1"))
        )
        self._buffer.append(encoded)

    def _send_output(self, message_body: None = None, encode_chunked: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as in http.client; urllib3 sends the body by itself
        if self.sock is None:
            self.connect()
        sock: Any = self.sock
        sock.settimeout(self.exchange.time_left())
        # What opens a tunnel is not the request yet.
        self.exchange.sent = not self.exchange.connecting
        view = memoryview if type(sock).__module__.partition(".")[0] in _TAKE_VIEWS else bytes
        lines, self._buffer = [*self._buffer, b"", b""], []
        sock.sendall(view(b"\r\n".join(lines)))
        # What comes next, such as the body, is sent within what is left.
        sock.settimeout(self.exchange.time_left())

    @override
    def _tunnel(self) -> None:
        host: Any = self._tunnel_host
        name = host.strip("[]")
        authority = f"{f'[{name}]' if ':' in name else name}:{self._tunnel_port}"
        self._buffer.append(f"CONNECT {authority} HTTP/1.1".encode("ascii"))
        # New in Python 3.12, http.client adds `Host` to them.
        headers = {"Host": authority, **self._tunnel_headers}
        for header, value in headers.items():
            self.putheader(header, value)
        self._send_output()
        response = StrictResponse(self, "CONNECT")
        try:
            _, status, reason = response._read_status()
            read_headers(response.fp)
        finally:
            response.close()
        if status != 200:
            raise TunnelRefused(status, reason)
        if self.sock is None:
            raise http.client.HTTPException("bytes after the proxy's response to CONNECT")
        # Limits the TLS handshake that follows to what is left now.
        self.sock.settimeout(self.exchange.time_left())

    def keep_for(self, seconds: float) -> None:
        """Note that the server closes the connection when it has been idle for that long."""
        self._kept_until = self.exchange.clock() + seconds - min(_IDLE_MARGIN, seconds / 2)

    def is_kept(self, exchange: Exchange) -> bool:
        """Return whether the server still keeps the connection open, for all that it has said."""
        return exchange.clock() < self._kept_until

    def has_unread(self) -> bool:
        """Return whether there are unread bytes that urllib3, which looks only at the socket, does not see."""
        return False

    @override
    def _new_conn(self) -> socket.socket:
        host = self.resolve.get(self.host, self.host)
        try:
            # By position, since what takes its place (caches, test doubles) has other names for the parameters.
            addresses = socket.getaddrinfo(host, self.port, 0, socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectError(f"the name {host!r} cannot be resolved") from error
        except UnicodeError:
            raise ConnectError(f"the name {host!r} cannot be resolved: it is not a host name") from None
        failure: OSError | None = None
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            try:
                return self._open(socket.socket(family, kind, protocol), address, len(addresses) - index)
            except OSError as error:
                if is_from_signal_handler(error):
                    raise
                failure = error
        raise ConnectError(f"cannot connect to {host} port {self.port}") from failure

    def _open(self, sock: socket.socket, address: Any, shares: int) -> socket.socket:
        """Connect within an even share of the time, so that a dead address leaves some for the next one."""
        try:
            for option in (*_SOCKET_OPTIONS, *self.extra_socket_options):
                sock.setsockopt(*option)
            left = self.exchange.time_left()
            sock.settimeout(None if left is None else left / shares)
            sock.connect(address)
            sock.settimeout(self.exchange.time_left())
        except BaseException:
            sock.close()
            raise
        return sock

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - as http.client calls it
        """Return a file of the response's bytes, like that of a socket."""
        return Lines(Reader(self.sock, self.exchange), BUFFER_SIZE)
