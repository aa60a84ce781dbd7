"""Reads HTTP/1 responses strictly: bad framing is an error, and surplus bytes are noticed."""

import http.client
import io
import re
from typing import TYPE_CHECKING, Any

from oxide._transport.exchange import Exchange

if TYPE_CHECKING:
    from oxide._transport.connection import WireConnection

MAX_INTERIM_RESPONSES = 20
_MAX_LINE = 65536
_MAX_HEADER_LINES = 100
BUFFER_SIZE = 16384

# Invalid and dangerous (RFC 9110, section 5.5): what follows may be taken for another line.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
# RFC 9112, sections 4, 5 and 7.1; RFC 9110, section 8.6.
_STATUS_LINE = re.compile(rb"(HTTP/1\.[0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n]*)\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


class Reader(io.RawIOBase):
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


class Lines(io.BufferedReader):
    """The bytes of a response; a cut line, which could pass for another line, is an error."""

    def readline(self, limit: int | None = -1, /) -> bytes:
        line = super().readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise http.client.IncompleteRead(line)
        if _CONTROL.search(line):
            message = "a control character within a line"
            raise http.client.HTTPException(message)
        return line


# http.client uses an e-mail parser for this, which takes a fifth of a call and accepts much that is not a header.
def _read_headers(lines: Lines) -> http.client.HTTPMessage:
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


class StrictResponse(http.client.HTTPResponse):
    """A response that is read strictly: bad framing is an error, and surplus bytes are noticed."""

    # For `close`, which still runs if the constructor is interrupted.
    fp: Any = None

    def __init__(self, connection: "WireConnection", method: str | None) -> None:
        self._wire = connection
        super().__init__(connection, method=method)  # type: ignore[arg-type]  # only its `makefile` is used

    # http.client knows only 100 as an interim response, and accepts `+200` and `2_00` as a status.
    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_RESPONSES + 1):
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
        message = f"more than {MAX_INTERIM_RESPONSES} interim responses"
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
            # Bytes after the response would be taken for the next one.
            fp.raw.ended = True
            too_much = bool(fp.peek(1)) or self._wire.has_unread()
        super()._close_conn()  # type: ignore[misc]  # not in typeshed
        if too_much:
            self._wire.close()
