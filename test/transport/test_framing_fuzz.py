"""Random and damaged responses give the right result, which a second parser confirms, or an error of the package."""

import gzip
import json
import pickle
import re
import socket
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oxide
from transport.calls import DELETE, IMAGE_ID, LIST, VIEW, Call, image, page, session
from transport.fault_server import chunked, gzipped, http_response

BODY = image("right")
SEEDS = [
    http_response(200, BODY),
    http_response(200, BODY, "Connection: close", "X-Request-Id: one"),
    http_response(200, BODY, length=False),
    http_response(200, BODY).replace(b"HTTP/1.1", b"HTTP/1.0"),
    b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + http_response(200, BODY),
    chunked(BODY),
    chunked(BODY, size=100)[:-2] + b"A: b\r\n\r\n",
    gzipped(BODY),
    chunked(gzip.compress(BODY, mtime=0), "Content-Encoding: gzip"),
    http_response(200, page("a", "b")),
    http_response(204, b"", length=False),
    http_response(302, b"", "Location: https://elsewhere.example/"),
    http_response(404, b'{"message": "m", "error_code": "ObjectNotFound", "request_id": "r"}'),
    http_response(503, b"busy", "Retry-After: 3", "Date: Tue, 10 Nov 2026 12:00:00 GMT"),
]
PIECES = [
    b"nonsense\r\n", b"A : b\r\n", b" A: b\r\n", b"Content-Length : 5\r\n", b"Content-Length: 317\r\n", b"0000000000000000",
    b"\xef\xbb\xbf", b"Content-Encoding: utf-8\r\n", b"Content-Length: 317, 317\r\n", b"\0" * 20,
    b"", b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b";", b"\t", b"0\r\n\r\n", b"1\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ",
    b"100", b"101", b"204", b"304", b"999", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"-1", b"ffffffffffffffff",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive\r\n", b"\xff", b"\x1f\x8b", b"{", b"}", b'"', b"null", b"[" * 999, b"x" * 70000, b"A: b\r\n" * 101,
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a response with parts of it removed, repeated or replaced."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        # Most of the interesting bytes are in the head.
        head = min(data.find(b"\r\n\r\n") + 8, len(data))
        reach = draw(st.sampled_from([head, len(data)]))
        start = draw(st.integers(0, reach))
        end = draw(st.integers(start, min(len(data), start + 40)) | st.just(len(data)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=5) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[end:]
    return data


class Responder:
    """A server that sends each connection the next response of a queue, and closes it."""

    def __init__(self) -> None:
        self.responses: SimpleQueue[bytes] = SimpleQueue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, suppress(OSError):
                sock.settimeout(30)
                while b"\r\n\r\n" not in sock.recv(65536):
                    pass
                sock.sendall(self.responses.get_nowait())
                sock.shutdown(socket.SHUT_WR)
                # A connection closed with bytes unread would be reset.
                while sock.recv(65536):
                    pass

    def close(self) -> None:
        """Stop."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)


@pytest.fixture(scope="module")
def responder() -> Iterator[Responder]:
    """Run a server for all examples of a test."""
    responder = Responder()
    yield responder
    responder.close()


def read_by_h11(data: bytes, method: str) -> tuple[int, bytes]:
    """Return status and body as another parser reads them."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=10**6)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    status, body, coding = 0, b"", b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            status = event.status_code
            coding = b", ".join(v.strip() for n, v in event.headers if n == b"content-encoding").lower()
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        elif not isinstance(event, h11.InformationalResponse):
            message = f"{event} instead of a response"
            raise h11.RemoteProtocolError(message)
    if coding in {b"gzip", b"x-gzip"} and (200 <= status < 300 or body.startswith(b"\x1f")):
        decoded = b""
        while body:
            stream = zlib.decompressobj(31)
            decoded += stream.decompress(body)
            assert stream.eof
            body = stream.unused_data.lstrip(b"\0")
        body = decoded
    return status, body


# The intended differences between the two parsers.
#
# Responses that we refuse and h11 reads, by our message.
STRICTER = {
    "no status line|status line": "empty lines first, status lines without a version of HTTP/1, several spaces",
    "a control character within a line": "it may be another line to somebody else (RFC 9110, section 5.5)",
    "malformed header line": "what is no header line and mentions framing",
    "Content-Length": "several, even if each is well-formed, unless they are the same",
    "Transfer-Encoding": "twice",
    "chunk size|a chunk longer": "lines that end in a bare line feed",
    "bytes of headers": "more than 256 KiB, where h11 counts otherwise",
    "interim responses": "more than twenty",
    "101 Switching": "h11 reads it as an end of HTTP",
    "the response was cut short": "h11 takes the end of a connection for the end of a line",
    "the server closed the connection": "the same before there is any line",
}


def made_ordinary(data: bytes) -> bytes:
    """Return a response without the oddities that we accept and h11 refuses; each is a decision."""
    heads = []
    rest = data
    while True:
        match = re.match(rb"(HTTP/1\.[0-9] ([0-9]{3})[^\n]*\n)((?:[^\n]*[^\r\n][^\n]*\n)*)(\r?\n)", rest)
        if match is None:
            return data
        rest = rest[match.end() :]
        lines = re.findall(rb"[^\n]*\n", match[3])
        heads.append((match[1], *ordinary_headers(lines), match[4]))
        if not match[2].startswith(b"1"):
            break
    first, headers, chunks, last = heads[-1]
    if chunks:
        rest = ordinary_chunks(rest)
        first = first.replace(b"HTTP/1.0", b"HTTP/1.1")
    heads[-1] = (first, headers, chunks, last)
    return b"".join(b"".join((first, *headers, last)) for first, headers, _, last in heads) + rest


def ordinary_headers(lines: list[bytes]) -> tuple[list[bytes], bool]:
    """Return header lines without oddities, and whether they announce chunks."""
    kept: list[bytes] = []
    dropped = True
    for line in lines:
        if line.startswith((b" ", b"\t")):
            if not dropped:
                kept[-1] = kept[-1].rstrip() + b" " + line.lstrip()
        elif b":" not in line:
            dropped = True
        else:
            dropped = False
            name, _, value = line.partition(b":")
            kept.append(name.rstrip(b" \t") + b":" + value)
    named = [(line.partition(b":")[0].lower(), line.partition(b":")[2].strip()) for line in kept]
    chunks = any(name == b"transfer-encoding" and value.lower() == b"chunked" for name, value in named)
    result, seen = [], False
    for line, (name, value) in zip(kept, named, strict=True):
        if name == b"content-length":
            if chunks or seen:
                continue
            seen = True
            line = b"Content-Length: " + value.partition(b",")[0] + b"\r\n"
        result.append(line)
    return result, chunks


def ordinary_chunks(rest: bytes) -> bytes:
    """Return chunks whose sizes have no leading zeros, and trailers without oddities."""
    chunks = b""
    while match := re.match(rb"0*([0-9A-Fa-f]{1,15})([ \t]*(?:;[^\n]*)?\r\n)", rest):
        size = int(match[1], 16)
        # h11 allows no space there.
        chunks += match[1] + match[2].lstrip(b" \t")
        rest = rest[match.end() :]
        if size == 0:
            lines = re.findall(rb"[^\n]*\n", rest)
            end = next((index for index, line in enumerate(lines) if not line.strip(b"\r\n")), len(lines))
            return chunks + b"".join([*ordinary_headers(lines[:end])[0], *lines[end:]])
        chunks += rest[: size + 2]
        rest = rest[size + 2 :]
    return chunks + rest


def compare(responder: Responder, data: bytes, size: int, *, once: bool) -> str:
    """Read a response here and with h11; return how the results compare, or fail if the difference is not intended."""
    responder.responses.put(data)
    body, problem = b"", ""
    with session(responder.url, max_retries=0, timeout=20) as client:
        try:
            with client.api.image_view_without_preload_content(IMAGE_ID) as response:
                while piece := (response.read1(size) if once else response.read(size)):
                    assert len(piece) <= size
                    body += piece
        except oxide.ApiException as error:
            check(error)
            problem = error.reason or "?"
    try:
        other = read_by_h11(data, "GET")
    except (h11.RemoteProtocolError, zlib.error, AssertionError) as error:
        if problem:
            return "both refuse"
        # Ours is right if h11 reads the same once the tolerated oddities are removed.
        try:
            ordinary = read_by_h11(made_ordinary(data), "GET")
        except (h11.RemoteProtocolError, zlib.error, AssertionError):
            pytest.fail(f"h11 refuses {data!r} ({error}), and nobody has decided to read it")
        assert (response.status, body) == ordinary
        return "only h11 refuses"
    if problem:
        assert any(re.search(pattern, problem) for pattern in STRICTER), (problem, data)
        return "only we refuse"
    assert (response.status, body) == other
    return "both read the same"


@pytest.mark.long
@given(
    data=damaged() | st.sampled_from(SEEDS) | st.binary(max_size=200),
    size=st.sampled_from([1, 7, 65536]),
    once=st.booleans(),
)
@settings(max_examples=600)
def test_every_difference_from_another_parser_is_intended(
    responder: Responder, data: bytes, size: int, once: bool
) -> None:
    """The long run is this file as a program: `python test/transport/test_framing_fuzz.py 50000`."""
    compare(responder, data, size, once=once)


@pytest.mark.long
@pytest.mark.parametrize("call", [VIEW, LIST, DELETE], ids=repr)
@given(data=damaged() | st.sampled_from(SEEDS) | st.binary(max_size=200))
@settings(max_examples=200)
def test_any_response_ends_in_the_right_result_or_an_api_exception(
    responder: Responder, call: Call, data: bytes
) -> None:
    responder.responses.put(data)
    with session(responder.url, max_retries=0, timeout=20) as client:
        try:
            response: oxide.ApiResponse[Any] = call(client.api, "_with_http_info")
        except oxide.ApiException as error:
            check(error)
            return
    # Whatever is accepted is a response.
    status, body = read_by_h11(made_ordinary(data), call.method)
    assert response.status_code == status
    assert response.raw_data == body
    if call is VIEW:
        assert response.data.name == json.loads(body.removeprefix(b"\xef\xbb\xbf"))["name"]


def check(error: oxide.ApiException) -> None:
    """Check everything that applies to every error of a call."""
    assert error.outcome in {"unknown", "answered"}
    assert (error.status is None) == (error.outcome == "unknown")
    assert len(str(error)) < 1200
    assert str(error).isprintable()
    assert error.operation
    assert error.__context__ is None or error.__context__ is error.__cause__
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)
    assert type(copied) is type(error)


def run(count: int) -> None:
    """Compare at least this many responses, a thousand at a time, and print the results."""
    responder = Responder()
    compared: Counter[str] = Counter()

    @given(data=damaged(), size=st.sampled_from([7, 65536]), once=st.booleans())
    @settings(max_examples=1000, deadline=None, database=None)
    def a_thousand(data: bytes, size: int, once: bool) -> None:
        compared[compare(responder, data, size, once=once)] += 1

    try:
        while compared.total() < count:
            a_thousand()
            print(dict(compared), flush=True)
    finally:
        responder.close()


if __name__ == "__main__":
    run(int(sys.argv[1]))
