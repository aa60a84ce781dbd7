"""One exchange on the wire: its deadline, enforced at the socket, and strict reading of answers.

urllib3's timeouts limit single socket operations, so headers, interim answers, chunk sizes or a body that trickle in
can outlast any of them. Here the time left is set before every operation instead.
"""

import http.client
import io
import os
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

MAX_INTERIM_ANSWERS = 20
_MAX_LINE = 65536
_MAX_HEADER_LINES = 100
_BUFFER = 16384

# Invalid and dangerous (RFC 9110, section 5.5): what follows may be taken for another line.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
# RFC 9112, sections 4, 5 and 7.1; RFC 9110, section 8.6.
_STATUS_LINE = re.compile(rb"(HTTP/1\.[0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n]*)\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


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


class _Reader(io.RawIOBase):
    """The bytes of a socket; each read is limited to the time left."""

    # For `close`, which still runs if Ctrl-C interrupts the constructor.
    _file: Any = None

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange
        self.ended = False
        # The file keeps the socket open when http.client closes it with the body still unread.
        self._file = sock.makefile("rb", buffering=0)
        exchange.sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.ended:
            return 0
        self._sock.settimeout(self._exchange.time_left())
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        if self._file is not None:
            self._exchange.sock = None
            self._file.close()
        super().close()


class _Lines(io.BufferedReader):
    """The bytes of an answer; a cut line, which could pass for another line, is an error."""

    def readline(self, limit: int | None = -1, /) -> bytes:
        line = super().readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise http.client.IncompleteRead(line)
        if _CONTROL.search(line):
            message = "a control character within a line"
            raise http.client.HTTPException(message)
        return line


# http.client uses an e-mail parser for this, which takes a fifth of a call and accepts much that is not a header.
def _read_headers(lines: _Lines) -> http.client.HTTPMessage:
    """Return the headers (or trailers) up to the empty line."""
    fields: list[tuple[bytes, bytes]] = []
    for _ in range(_MAX_HEADER_LINES + 1):
        line = lines.readline(_MAX_LINE + 1)
        if line in {b"\r\n", b"\n"}:
            headers = http.client.HTTPMessage()
            for name, value in fields:
                headers.set_raw(name.decode("ascii"), value.decode("latin-1"))
            return headers
        if match := _HEADER.fullmatch(line):
            fields.append((match[1], match[2].strip(b" \t")))
        elif fields and line.startswith((b" ", b"\t")) and line.endswith(b"\n"):
            # A folded line, as sent by old servers, continues the one before (RFC 9112, section 5.2).
            name, value = fields.pop()
            fields.append((name, value + b" " + line.strip()))
        else:
            message = "malformed header line"
            raise http.client.HTTPException(message)
    message = f"more than {_MAX_HEADER_LINES} header lines"
    raise http.client.HTTPException(message)


class _Response(http.client.HTTPResponse):
    """An answer that is read strictly: bad framing is an error, and surplus bytes are noticed."""

    # For `close`, which still runs if the constructor is interrupted.
    fp: Any = None

    def __init__(self, connection: "WireConnection", method: str | None) -> None:
        self._wire = connection
        super().__init__(connection, method=method)  # type: ignore[arg-type]  # only its `makefile` is used

    # http.client knows only 100 as an interim answer, and accepts `+200` and `2_00` as a status.
    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_ANSWERS + 1):
            if not self.fp.peek(1):
                message = "no status line"
                raise http.client.RemoteDisconnected(message)
            line = self.fp.readline(_MAX_LINE + 1)
            match = _STATUS_LINE.fullmatch(line)
            if match is None:
                message = f"status line {line[:80]!r}"
                raise http.client.HTTPException(message)
            status = int(match[2])
            if status >= 200:
                return match[1].decode(), status, (match[3] or b"").decode("latin-1")
            if status == 101:
                message = "101 Switching Protocols, which was not requested"
                raise http.client.HTTPException(message)
            _read_headers(self.fp)
        message = f"more than {MAX_INTERIM_ANSWERS} interim answers"
        raise http.client.HTTPException(message)

    def begin(self) -> None:
        version, self.status, self.reason = self._read_status()
        self.code = self.status
        self.version = 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = headers = _read_headers(self.fp)
        coding, length = headers.get_all("transfer-encoding"), headers.get_all("content-length")
        option = ",".join(headers.get_all("connection", ())).lower()
        self.will_close = "close" in option or (version == "HTTP/1.0" and "keep-alive" not in option)
        self.chunked, self.chunk_left, self.length = False, None, None
        if self.status in {204, 304}:
            # These have no body, whatever their headers say (RFC 9112, section 6.3), but one may still follow.
            self.will_close = self.will_close or coding is not None or length not in (None, ["0"])
            self.length = 0
        elif coding is not None:
            if len(coding) > 1 or coding[0].lower() != "chunked" or length is not None:
                message = f"Transfer-Encoding {', '.join(coding)!r}"
                message += "" if length is None else " and Content-Length"
                raise http.client.HTTPException(message)
            self.chunked = True
        elif length is not None:
            if len(set(length)) > 1 or not _LENGTH.fullmatch(length[0]):
                message = f"Content-Length {', '.join(length)!r}"
                raise http.client.HTTPException(message)
            self.length = int(length[0])
        else:
            self.will_close = True

    # http.client accepts `0x1f`, `+5` and `1_0` as chunk sizes, and any two bytes as the end of a chunk.
    def _get_chunk_left(self) -> int | None:
        left: int | None = self.chunk_left
        if not left:
            if left is not None and self._safe_read(2) != b"\r\n":  # type: ignore[attr-defined]  # not in typeshed
                message = "a chunk longer than its size"
                raise http.client.HTTPException(message)
            line = self.fp.readline(_MAX_LINE + 1)
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                message = f"chunk size {line[:40]!r}"
                raise http.client.HTTPException(message)
            left = int(match[1], 16)
            if left == 0:
                _read_headers(self.fp)
                self._close_conn()
                left = None
            self.chunk_left = left
        return left

    def _close_conn(self) -> None:
        fp, too_much = self.fp, False
        if not fp.closed:
            # Bytes after the answer would be taken for the next one.
            fp.raw.ended = True
            too_much = bool(fp.peek(1)) or self._wire.has_unread()
        super()._close_conn()  # type: ignore[misc]  # not in typeshed
        if too_much:
            self._wire.close()


# http.client passes its response class only the socket; as a method, this gets the connection too.
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

    # Setting this on http.client's own class would otherwise print every request, with the token.
    debuglevel = 0
    response_class: Any = _response_class
    resolve: Mapping[str, str] = MappingProxyType({})
    extra_socket_options: Sequence[tuple[Any, ...]] = ()
    _exchange: Exchange

    def connect(self) -> None:
        exchange = self._exchange = self._current()
        exchange.begin_connecting()
        super().connect()
        exchange.connecting = False

    # Not `send`: our frame there would hold the request, with the token, in a traceback.
    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        exchange = self._exchange = self._current()
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

    def _current(self) -> Exchange:
        exchange = _current.exchange
        assert exchange is not None  # noqa: S101 - set by `Transport.send`
        return exchange

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
            message = "bytes after the proxy's answer to CONNECT"
            raise http.client.HTTPException(message)
        # Limits the TLS handshake that follows to what is left now.
        self.sock.settimeout(self._exchange.time_left())

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - as http.client calls it
        """Return a file of the answer's bytes, like that of a socket."""
        return _Lines(_Reader(self.sock, self._exchange), _BUFFER)


def _socket_options() -> tuple[tuple[int, int, int], ...]:
    """Return options that detect a dead peer: keep-alive after 30 s of silence, every 10 s, three times."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return tuple(options)


_SOCKET_OPTIONS = _socket_options()
