"""One exchange on the wire: its deadline, enforced at the socket, and answers read strictly.

urllib3's own timeouts bound one socket operation each, so dripped headers, endless interim answers, chunk-size lines
or a drip inside one read outlast any limit. Here the time left is set before every operation instead.
"""

import http.client
import io
import os
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

MAX_INTERIM_ANSWERS = 20
_MAX_LINE = 65536
_BUFFER = 16384

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")  # RFC 9112, section 7.1
_LENGTH = re.compile(r"[0-9]{1,18}(?:[ \t]*,[ \t]*[0-9]{1,18})*", re.ASCII)


class ConnectError(http.client.HTTPException):
    """No address of the host could be connected to."""


class Exchange:
    """One attempt: how long each step may take, and how far it has come.

    `sent` is set just before the first byte of the request may leave. No exception class can tell: a stalled TLS
    handshake and a stalled answer look alike.
    """

    __slots__ = (
        "_clock", "_connect_by", "connect_timeout", "connecting", "deadline", "pid", "read_timeout", "sent", "status",
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
        self.sent = False
        self.status: int | None = None
        self.pid = os.getpid()

    def begin_connecting(self) -> None:
        """Start the time that connecting, with TLS and proxy, may take."""
        self.connecting = True
        self._connect_by = None if self.connect_timeout is None else self._clock() + self.connect_timeout

    def time_left(self) -> float | None:
        """Return the seconds that the next socket operation may take; raise `TimeoutError` where none are left."""
        if self.connecting:
            moments = [moment for moment in (self._connect_by, self.deadline) if moment is not None]
            left = min(moments) - self._clock() if moments else None
        elif self.deadline is None:
            return self.read_timeout
        else:
            left = self.deadline - self._clock()
            if self.read_timeout is not None and self.read_timeout < left:
                return self.read_timeout
        if left is not None and left <= 0:
            raise TimeoutError
        return left

    def is_over(self) -> bool:
        """Whether the deadline of the whole call has passed."""
        return self.deadline is not None and self._clock() >= self.deadline


class _Current(threading.local):
    exchange: Exchange | None = None


# urllib3 has no room in its calls for more than a timeout, so the connection finds its exchange here.
_current = _Current()


class exchanging:  # noqa: N801 - used like a function
    """A context in which the connections of this thread work for `exchange`."""

    __slots__ = ("_exchange", "_outer")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        # A signal handler may make a call in the middle of another.
        self._outer = _current.exchange
        _current.exchange = self._exchange

    def __exit__(self, *_: object) -> None:
        _current.exchange = self._outer


class _Reader(io.RawIOBase):
    """A socket's bytes, each read of them within the time left."""

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        # The file keeps the socket open where http.client closes it with a body still to be read.
        self._file = sock.makefile("rb", buffering=0)
        self._exchange = exchange
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.ended:
            return 0
        if self._exchange.pid != os.getpid():
            message = "the connection belongs to the process that this one was forked from"
            raise OSError(message)
        self._sock.settimeout(self._exchange.time_left())
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that is read by the letter: what is wrong in its framing is an error, what is too much is noticed."""

    def __init__(self, connection: "WireConnection", method: str | None) -> None:
        self._wire = connection
        super().__init__(connection, method=method)  # type: ignore[arg-type]  # its `makefile` is all that is used

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_ANSWERS + 1):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                return version, status, reason
            if status == 101:
                message = "101 Switching Protocols, which nobody asked for"
                raise http.client.HTTPException(message)
            http.client.parse_headers(self.fp)
        message = f"more than {MAX_INTERIM_ANSWERS} interim answers"
        raise http.client.HTTPException(message)

    def begin(self) -> None:
        super().begin()
        headers = self.headers
        if headers.defects:
            message = f"malformed headers ({type(headers.defects[0]).__name__})"
            raise http.client.HTTPException(message)
        coding, length = headers.get_all("transfer-encoding"), headers.get_all("content-length")
        if coding is not None and (length is not None or not self.chunked):
            message = f"Transfer-Encoding {', '.join(coding)!r}" + (
                " and Content-Length" if length is not None else ""
            )
            raise http.client.HTTPException(message)
        if length is not None:
            text = ", ".join(length)
            if not _LENGTH.fullmatch(text.strip()) or len({int(part) for part in text.split(",")}) != 1:
                message = f"Content-Length {text!r}"
                raise http.client.HTTPException(message)

    # http.client takes `0x1f`, `+5` and `1_0` for chunk sizes, and any two bytes for the end of a chunk.
    def _get_chunk_left(self) -> int | None:
        left: int | None = self.chunk_left
        if not left:
            if left is not None and self._safe_read(2) != b"\r\n":  # type: ignore[attr-defined]
                message = "a chunk longer than its size"
                raise http.client.HTTPException(message)
            left = self._read_chunk_size()
            if left == 0:
                self._read_and_discard_trailer()  # type: ignore[attr-defined]
                self._close_conn()
                left = None
            self.chunk_left = left
        return left

    def _read_chunk_size(self) -> int:
        line = self.fp.readline(_MAX_LINE + 1)
        if not line.endswith(b"\n") and len(line) <= _MAX_LINE:
            cut = http.client.IncompleteRead(line)
            raise cut
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            message = f"chunk size {line[:40]!r}"
            raise http.client.HTTPException(message)
        return int(match[1], 16)

    def _close_conn(self) -> None:
        fp = self.fp
        too_much = False
        if not fp.closed:
            # Bytes behind the answer would be taken for the next one.
            self._wire.reader.ended = True
            too_much = bool(fp.peek(1))
        super()._close_conn()  # type: ignore[misc]
        if too_much:
            self._wire.close()


# http.client makes its responses of the socket alone; as a method of the connection, this also gets the connection.
def _response_class(
    connection: "WireConnection",
    sock: object,  # noqa: ARG001 - as http.client calls it
    debuglevel: int = 0,  # noqa: ARG001 - as http.client calls it
    method: str | None = None,
) -> _Response:
    return _Response(connection, method)


if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection as _Base
else:
    _Base = object


class WireConnection(_Base):
    """A mixin for urllib3's connections that works for the exchange of its thread."""

    # `http.client` prints every request, token and all, where somebody sets this on its own class.
    debuglevel = 0
    response_class: Any = _response_class
    resolve: Mapping[str, str] = MappingProxyType({})
    extra_socket_options: Sequence[tuple[Any, ...]] = ()
    reader: _Reader
    _exchange: Exchange

    def connect(self) -> None:
        exchange = self._exchange = self._current()
        exchange.begin_connecting()
        super().connect()
        exchange.connecting = False

    # Not `send`: a frame of ours there would hold the request, token and all, in a traceback.
    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        exchange = self._exchange = self._current()
        if self.sock is None:
            self.connect()
        assert self.sock is not None  # noqa: S101 - what `connect` is for
        self.sock.settimeout(exchange.time_left())
        exchange.sent = True
        super().endheaders(message_body, encode_chunked=encode_chunked)

    def time_left(self) -> float | None:
        """Return the seconds that the next socket operation may take; raise `TimeoutError` where none are left."""
        return self._exchange.time_left()

    def _current(self) -> Exchange:
        exchange = _current.exchange
        if exchange is None:
            message = "this connection works for oxide.ApiClient alone"
            raise RuntimeError(message)
        return exchange

    def _new_conn(self) -> socket.socket:
        # Each address gets an even share of the time, so that one that swallows packets leaves some for the next.
        host = self.resolve.get(self.host.lower(), self.host)
        try:
            addresses = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            message = f"the name {host!r} cannot be resolved"
            raise ConnectError(message) from error
        failure: OSError | None = None
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            try:
                for option in (*_SOCKET_OPTIONS, *self.extra_socket_options):
                    sock.setsockopt(*option)
                left = self._exchange.time_left()
                sock.settimeout(None if left is None else left / (len(addresses) - index))
                sock.connect(address)
                sock.settimeout(self._exchange.time_left())
            except OSError as error:
                failure = error
                sock.close()
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        message = f"cannot connect to {host} port {self.port}"
        raise ConnectError(message) from failure

    def _tunnel(self) -> None:
        assert self.sock is not None  # noqa: S101 - urllib3 has just connected it
        self.sock.settimeout(self._exchange.time_left())
        super()._tunnel()
        # The TLS handshake that follows takes what is left, not what the tunnel was given.
        self.sock.settimeout(self._exchange.time_left())

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - as http.client calls it
        """Return the bytes of the answer, as a socket would."""
        self.reader = _Reader(self.sock, self._exchange)
        return io.BufferedReader(self.reader, _BUFFER)


def _socket_options() -> tuple[tuple[int, int, int], ...]:
    """Return the options that notice a peer that is gone: keep-alive after 30 s of silence, every 10 s, three times."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return tuple(options)


_SOCKET_OPTIONS = _socket_options()
