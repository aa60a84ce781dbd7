"""Reads HTTP/1 responses strictly: bad framing is an error, and surplus bytes are noticed.

What is odd but harmless is read, as browsers read it; its connection is then not used again.
"""

import http.client
import io
import re
from typing import Any, Protocol

from typing_extensions import override

from oxide._transport.exchange import Exchange

MAX_INTERIM_RESPONSES = 20
BUFFER_SIZE = 16384
_MAX_LINE = 65536
# Bytes of all headers of a response, or of all trailers.
_MAX_HEADERS = 2**18

# Invalid and dangerous (RFC 9110, section 5.5): what follows may be taken for another line.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
# RFC 9112, sections 4, 5 and 7.1; RFC 9110, section 8.6.
_STATUS_LINE = re.compile(rb"(HTTP/1\.[0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)([ \t]*):([^\r\n]*)\r?\n")
_CHUNK_SIZE = re.compile(rb"(0*)([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_USUAL_DIGITS = 16  # of a chunk's size
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_COMMA = re.compile(r"[ \t]*,[ \t]*")
# What is not well-formed and mentions these may be framing to somebody else.
_FRAMING = re.compile(rb"content-length|transfer-encoding", re.IGNORECASE)
_KEPT_FOR = re.compile(r"(?:^|[,\s])timeout\s*=\s*([0-9]{1,9})", re.ASCII | re.IGNORECASE)


class Reader(io.RawIOBase):
    """The bytes of a socket; each read is limited to the time left."""

    # For `close`, which still runs if Ctrl-C interrupts the constructor.
    _file: Any = None

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange
        self.ended = False
        # The file keeps the socket open when http.client closes it with the body still unread.
        self._file = sock.makefile("rb", 0)
        exchange.sock = sock

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        if self.ended:
            return 0
        self._sock.settimeout(self._exchange.time_left())
        count: int | None = self._file.readinto(buffer)
        return count

    @override
    def close(self) -> None:
        if self._file is not None:
            self._exchange.sock = None
            self._file.close()
        super().close()


class Lines(io.BufferedReader):
    """The bytes of a response; a cut line, which could pass for another line, is an error."""

    @override
    def readline(self, limit: int | None = -1, /) -> bytes:
        line = super().readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise http.client.IncompleteRead(line)
        if _CONTROL.search(line):
            raise http.client.HTTPException("a control character within a line")
        return line


class Head(http.client.HTTPMessage):
    """The headers (or trailers) of a response.

    Attributes:
        is_odd: whether some of them are not well-formed, without harm.
    """

    is_odd = False


# http.client uses an e-mail parser for this, which takes a fifth of a call and accepts much that is not a header.
def read_headers(lines: Lines) -> Head:
    """Return the headers (or trailers) up to the empty line."""
    head = Head()
    names: list[bytes] = []
    values: list[bytes] = []
    size = 0
    # Whether the line before was dropped, and with it those that continue it.
    dropped = True
    while (line := lines.readline(_MAX_LINE + 1)) not in {b"\r\n", b"\n"}:
        size += len(line)
        if len(line) > _MAX_LINE or size > _MAX_HEADERS:
            raise http.client.HTTPException(
                f"more than {_MAX_HEADERS} bytes of headers, or {_MAX_LINE} of one"
            )
        match = _HEADER.fullmatch(line)
        name, space, value = match.groups() if match else (b"", b"", b"")
        if name and not (space and _FRAMING.fullmatch(name)):
            names.append(name)
            values.append(value.strip(b" \t"))
            head.is_odd = head.is_odd or bool(space)
            dropped = False
        elif line.startswith((b" ", b"\t")) and not dropped:
            # A folded line, as sent by old servers, continues the one before (RFC 9112, section 5.2).
            values[-1] += b" " + line.strip()
        elif (b":" not in line or line.startswith((b" ", b"\t"))) and not _FRAMING.search(line):
            # No header, or the continuation of none (RFC 9112, section 2.2).
            head.is_odd = dropped = True
        else:
            raise http.client.HTTPException("malformed header line")
    for name, value in zip(names, values, strict=True):
        head.set_raw(name.decode("ascii"), value.decode("latin-1"))
    return head


class Wire(Protocol):
    """What a response needs of the connection that it comes from, which says what these do."""

    def makefile(self, mode: str) -> io.BufferedReader: ...
    def has_unread(self) -> bool: ...
    def keep_for(self, seconds: float) -> None: ...
    def close(self) -> None: ...


class StrictResponse(http.client.HTTPResponse):
    """A response that is read strictly: bad framing is an error, and surplus bytes are noticed."""

    # For `close`, which still runs if the constructor is interrupted.
    fp: Any = None
    headers: Any = None
    # Whether something besides the headers is unusual.
    _is_odd = False

    def __init__(self, connection: Wire, method: str | None) -> None:
        self._wire = connection
        super().__init__(connection, method=method)  # type: ignore[arg-type]  # only its `makefile` is used

    # http.client knows only 100 as an interim response, and accepts `+200` and `2_00` as a status.
    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            if not self.fp.peek(1):
                raise http.client.RemoteDisconnected("no status line")
            line = self.fp.readline(_MAX_LINE + 1)
            match = _STATUS_LINE.fullmatch(line)
            if match is None:
                raise http.client.HTTPException(f"status line {line[:80]!r}")
            status = int(match[2])
            if status >= 200:
                return match[1].decode(), status, (match[3] or b"").decode("latin-1")
            if status == 101:
                raise http.client.HTTPException("101 Switching Protocols, which was not requested")
            self._is_odd = read_headers(self.fp).is_odd or self._is_odd
        raise http.client.HTTPException(f"more than {MAX_INTERIM_RESPONSES} interim responses")

    @override
    def begin(self) -> None:
        version, self.status, self.reason = self._read_status()
        self.code = self.status
        self.version = 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = headers = read_headers(self.fp)
        coding, length = headers.get_all("transfer-encoding"), headers.get_all("content-length")
        option = ",".join(headers.get_all("connection", ())).lower()
        self.will_close = (
            headers.is_odd or "close" in option or (version == "HTTP/1.0" and "keep-alive" not in option)
        )
        self.chunked, self.chunk_left, self.length = False, None, None
        if self.status in {204, 304}:
            # These have no body, whatever their headers say (RFC 9112, section 6.3), but one may still follow.
            self.will_close = self.will_close or coding is not None or length not in (None, ["0"])
            self.length = 0
            return
        lengths = [] if length is None else _COMMA.split(",".join(length))
        if len(set(lengths)) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise http.client.HTTPException(f"Content-Length {', '.join(lengths)!r}")
        if coding is not None:
            if len(coding) > 1 or coding[0].lower() != "chunked":
                raise http.client.HTTPException(f"Transfer-Encoding {', '.join(coding)!r}")
            self.chunked = True
            # RFC 9112, section 6.1 and 6.3: the length does not count, and HTTP/1.0 knows no chunks.
            self.will_close = self.will_close or bool(lengths) or version == "HTTP/1.0"
        elif lengths:
            self.length = int(lengths[0])
            self.will_close = self.will_close or len(lengths) > 1
        else:
            self.will_close = True

    # http.client accepts `0x1f`, `+5` and `1_0` as chunk sizes, and any two bytes as the end of a chunk.
    def _get_chunk_left(self) -> int | None:
        left: int | None = self.chunk_left
        if not left:
            if left is not None and self._safe_read(2) != b"\r\n":  # type: ignore[attr-defined]  # not in typeshed
                raise http.client.HTTPException("a chunk longer than its size")
            line = self.fp.readline(_MAX_LINE + 1)
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise http.client.HTTPException(f"chunk size {line[:40]!r}")
            left = int(match[2], 16)
            self._is_odd = self._is_odd or len(match[1] + match[2]) > _USUAL_DIGITS
            if left == 0:
                self._is_odd = read_headers(self.fp).is_odd or self._is_odd
                self._close_conn()
                left = None
            self.chunk_left = left
        return left

    def _close_conn(self) -> None:
        fp, too_much = self.fp, self._is_odd
        if not fp.closed:
            # Bytes after the response would be taken for the next one.
            fp.raw.ended = True
            too_much = too_much or bool(fp.peek(1)) or self._wire.has_unread()
        super()._close_conn()  # type: ignore[misc]  # not in typeshed
        if too_much:
            self._wire.close()
        elif kept_for := _KEPT_FOR.search(self.headers.get("keep-alive", "") if self.headers else ""):
            self._wire.keep_for(float(kept_for[1]))
