"""Random and damaged bytes for an answer: the right result, which a second parser agrees with, or an error of ours."""

import gzip
import json
import pickle
import socket
import threading
import zlib
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
from transport.fault_server import answer, chunked, gzipped

BODY = image("right")
SEEDS = [
    answer(200, BODY),
    answer(200, BODY, "Connection: close", "X-Request-Id: one"),
    answer(200, BODY, length=False),
    answer(200, BODY).replace(b"HTTP/1.1", b"HTTP/1.0"),
    b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + answer(200, BODY),
    chunked(BODY),
    chunked(BODY, size=100)[:-2] + b"A: b\r\n\r\n",
    gzipped(BODY),
    chunked(gzip.compress(BODY, mtime=0), "Content-Encoding: gzip"),
    answer(200, page("a", "b")),
    answer(204, b"", length=False),
    answer(302, b"", "Location: https://elsewhere.example/"),
    answer(404, b'{"message": "m", "error_code": "ObjectNotFound", "request_id": "r"}'),
    answer(503, b"busy", "Retry-After: 3", "Date: Tue, 10 Nov 2026 12:00:00 GMT"),
]
PIECES = [
    b"", b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b";", b"\t", b"0\r\n\r\n", b"1\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ",
    b"100", b"101", b"204", b"304", b"999", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"-1", b"ffffffffffffffff",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive\r\n", b"\xff", b"\x1f\x8b", b"{", b"}", b'"', b"null", b"[" * 999, b"x" * 70000, b"A: b\r\n" * 101,
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return an answer with some of it taken away, doubled or replaced."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        # Most of what matters stands in the head.
        head = min(data.find(b"\r\n\r\n") + 8, len(data))
        reach = draw(st.sampled_from([head, len(data)]))
        start = draw(st.integers(0, reach))
        end = draw(st.integers(start, min(len(data), start + 40)) | st.just(len(data)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=5) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[end:]
    return data


class Answerer:
    """Answers each connection with whatever is put into its queue, and closes it."""

    def __init__(self) -> None:
        self.answers: SimpleQueue[bytes] = SimpleQueue()
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
                sock.sendall(self.answers.get_nowait())
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
def answerer() -> Iterator[Answerer]:
    """Run a server for all examples of a test."""
    answerer = Answerer()
    yield answerer
    answerer.close()


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
            coding = dict(event.headers).get(b"content-encoding", b"").strip().lower()
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        elif not isinstance(event, h11.InformationalResponse):
            message = f"{event} instead of an answer"
            raise h11.RemoteProtocolError(message)
    if coding in {b"gzip", b"x-gzip"} and body:
        decoded = b""
        while body:
            stream = zlib.decompressobj(31)
            decoded += stream.decompress(body)
            assert stream.eof
            body = stream.unused_data
        body = decoded
    return status, body


@pytest.mark.parametrize("call", [VIEW, LIST, DELETE], ids=repr)
@given(data=damaged() | st.sampled_from(SEEDS) | st.binary(max_size=200))
@settings(max_examples=400)
def test_whatever_comes_ends_in_the_right_result_or_an_error_of_ours(
    answerer: Answerer, call: Call, data: bytes
) -> None:
    answerer.answers.put(data)
    with session(answerer.url, max_retries=0, timeout=20) as client:
        try:
            response: oxide.ApiResponse[Any] = call(client.api, "_with_http_info")
        except oxide.ApiException as error:
            check(error)
            return
    # What is taken for an answer is one.
    status, body = read_by_h11(data, call.method)
    assert response.status_code == status
    assert response.raw_data == body
    if call is VIEW:
        assert response.data.name == json.loads(body)["name"]


@given(data=damaged() | st.binary(max_size=200), size=st.sampled_from([1, 7, 65536]), once=st.booleans())
@settings(max_examples=300)
def test_whatever_comes_can_be_read_piece_by_piece_or_ends_in_an_error_of_ours(
    answerer: Answerer, data: bytes, size: int, once: bool
) -> None:
    answerer.answers.put(data)
    body = b""
    with session(answerer.url, max_retries=0, timeout=20) as client:
        try:
            with client.api.image_view_without_preload_content(IMAGE_ID) as response:
                while piece := (response.read1(size) if once else response.read(size)):
                    assert len(piece) <= size
                    body += piece
        except oxide.ApiException as error:
            check(error)
            return
    assert (response.status, body) == read_by_h11(data, "GET")


def check(error: oxide.ApiException) -> None:
    """Check what holds for every error of a call."""
    assert error.outcome in {"unknown", "answered"}
    assert (error.status is None) == (error.outcome == "unknown")
    assert len(str(error)) < 1200
    assert str(error).isprintable()
    assert error.operation
    assert error.__context__ is None or error.__context__ is error.__cause__
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)
    assert type(copied) is type(error)
