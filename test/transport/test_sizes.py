"""A response of any size takes little more memory than `max_response_bytes`."""

import gzip
import itertools
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from core_support import IMAGE

import oxide
from transport.calls import LIST, VIEW, session
from transport.fault_server import FaultServer, Step, chunked, gzipped, http_response, request, send, stall

MIB = 2**20
CAP = 2 * MIB
PIECE = b" " * 65536
# It is a thousandth of the decoded size.
BOMB = gzip.compress(b" " * 64 * MIB, mtime=0)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def endless(head: bytes, piece: bytes) -> Step:
    return send(itertools.chain([head], itertools.repeat(piece)))


def endless_gzip(status: int) -> Step:
    """Send an endless stream, a mebibyte of zeros at a time."""
    coder = zlib.compressobj(wbits=31)
    start = coder.compress(b" " * MIB) + coder.flush(zlib.Z_FULL_FLUSH)
    more = coder.compress(b" " * MIB) + coder.flush(zlib.Z_FULL_FLUSH)
    head = http_response(status, b"", "Content-Encoding: gzip", length=False)
    return send(itertools.chain([head, start], itertools.repeat(more)))


ENDLESS: dict[str, Callable[[int], Step]] = {
    "length": lambda status: endless(
        http_response(status, b"", f"Content-Length: {10**17}", length=False), PIECE
    ),
    "chunks": lambda status: endless(chunked(b"", status=status)[:-5], chunk(PIECE)),
    "one-chunk": lambda status: endless(chunked(b"", status=status)[:-5] + b"fffffffffffffff\r\n", PIECE),
    "no-length": lambda status: endless(http_response(status, b"", length=False), PIECE),
    "bomb": lambda status: send(http_response(status, BOMB, "Content-Encoding: gzip")),
    "bombs": lambda status: endless(http_response(status, b"", "Content-Encoding: gzip", length=False), BOMB),
    "bomb-in-chunks": lambda status: endless(
        chunked(b"", "Content-Encoding: gzip", status=status)[:-5], chunk(BOMB)
    ),
    "endless-bomb": endless_gzip,
}


@contextmanager
def within(size: int) -> Iterator[None]:
    """Fail if more than `size` bytes are in use at any time."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before <= size


@pytest.mark.parametrize("what", ENDLESS)
def test_a_result_that_is_too_large_is_an_error(what: str) -> None:
    step = ENDLESS[what](200)
    with (
        FaultServer([request, step], [request, send(http_response(200, VIEW.body)), stall]) as server,
        session(server.url, max_response_bytes=CAP) as client,
    ):
        with within(CAP + CAP // 4 + MIB), pytest.raises(oxide.ApiResponseError) as raised:
            client.api.image_list()
        assert VIEW(client.api).name == "an-image"
        assert server.connections == 2
    error = raised.value
    assert error.reason == f"the response is larger than max_response_bytes ({CAP})"
    assert (error.status, error.outcome, len(error.attempts)) == (200, "answered", 1)


@pytest.mark.parametrize("status", [404, 500, 503])
@pytest.mark.parametrize("what", ENDLESS)
def test_the_beginning_of_an_error_that_is_too_large_is_kept(what: str, status: int) -> None:
    step = ENDLESS[what](status)
    with (
        FaultServer([request, step], [request, send(http_response(200, VIEW.body)), stall]) as server,
        session(server.url, max_response_bytes=CAP, max_retries=0) as client,
    ):
        with within(4 * MIB), pytest.raises(oxide.ApiException) as raised:
            client.api.image_list()
        assert VIEW(client.api).name == "an-image"
        assert server.connections == 2
    error = raised.value
    assert error.status == status
    assert error.body == " " * MIB


@pytest.mark.parametrize("cap", [1, 100, 5000])
def test_a_small_limit_applies_to_errors_too(cap: int) -> None:
    body = b'{"message": "' + b"x" * 6000 + b'"}'
    with (
        FaultServer([request, send(http_response(404, body))]) as server,
        session(server.url, max_response_bytes=cap) as client,
        pytest.raises(oxide.NotFoundException) as raised,
    ):
        client.api.image_list()
    assert raised.value.body == body[:cap].decode()


def test_a_truncated_character_is_omitted() -> None:
    """The kept part of the body ends within that character."""
    body = b"x" + "\xe8".encode() * MIB
    with (
        FaultServer([request, send(http_response(404, body))]) as server,
        session(server.url) as client,
        pytest.raises(oxide.NotFoundException) as raised,
    ):
        client.api.image_list()
    assert raised.value.body == "x" + "\xe8" * (MIB // 2 - 1)


BODY = LIST.body + b" " * (5000 - len(LIST.body))
FRAMED = {
    "length": http_response(200, BODY),
    "chunks": chunked(BODY),
    "no-length": http_response(200, BODY, length=False),
    "gzip": gzipped(BODY),
    "gzip-in-chunks": chunked(gzip.compress(BODY), "Content-Encoding: gzip"),
    "gzip-no-length": http_response(200, gzip.compress(BODY), "Content-Encoding: gzip", length=False),
}


@pytest.mark.parametrize("what", FRAMED)
def test_the_limit_applies_exactly_to_the_decoded_body(what: str) -> None:
    with FaultServer(otherwise=[request, send(FRAMED[what])]) as server:
        with session(server.url, max_response_bytes=5000) as client:
            assert len(client.api.image_list().items) == 1
        with (
            session(server.url, max_response_bytes=4999) as client,
            pytest.raises(oxide.ApiResponseError, match=r"max_response_bytes \(4999\)"),
        ):
            client.api.image_list()


READERS: dict[str, Callable[[oxide.RESTResponse], bytes]] = {
    "data": lambda response: response.data,
    "read": lambda response: response.read(),
    "read-minus-1": lambda response: response.read(-1),
    "read-7": lambda response: b"".join(iter(lambda: response.read(7), b"")),
    "read-2**40": lambda response: b"".join(iter(lambda: response.read(2**40), b"")),
    "read1": lambda response: b"".join(iter(lambda: response.read1(), b"")),
    "read1-7": lambda response: b"".join(iter(lambda: response.read1(7), b"")),
    "read1-minus-1": lambda response: b"".join(iter(lambda: response.read1(-1), b"")),
    "stream": lambda response: b"".join(response.stream()),
    "stream-7": lambda response: b"".join(response.stream(7)),
    "stream-none": lambda response: b"".join(response.stream(None)),
    "read-then-data": lambda response: response.read(10) + response.data,
    "nothing-then-data": lambda response: response.read(0) + response.read1(0) + response.data,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("what", FRAMED)
def test_an_open_response_can_be_read_in_any_way_within_the_limit(what: str, reader: str) -> None:
    with FaultServer(otherwise=[request, send(FRAMED[what])]) as server:
        with (
            session(server.url, max_response_bytes=5000) as client,
            client.api.image_list_without_preload_content() as response,
        ):
            assert READERS[reader](response) == BODY
        with (
            session(server.url, max_response_bytes=4999) as client,
            client.api.image_list_without_preload_content() as response,
        ):
            with pytest.raises(oxide.ApiResponseError, match="max_response_bytes") as raised:
                READERS[reader](response)
            with pytest.raises(oxide.ApiValueError, match="closed"):
                READERS[reader](response)
    assert raised.value.operation == "image_list"


@pytest.mark.parametrize("reader", ["data", "read-7", "read-2**40", "read1", "read1-minus-1", "stream"])
@pytest.mark.parametrize("what", ENDLESS)
def test_an_endless_open_response_takes_little_memory(what: str, reader: str) -> None:
    step = ENDLESS[what](200)
    cap = CAP if reader != "read-7" else 70_000
    with (
        FaultServer([request, step]) as server,
        session(server.url, max_response_bytes=cap) as client,
        client.api.image_list_without_preload_content() as response,
        within(2 * cap + MIB + MIB // 2),
        pytest.raises(oxide.ApiResponseError, match="larger"),
    ):
        READERS[reader](response)


def test_the_limit_is_64_mebibytes_by_default() -> None:
    with (
        FaultServer([request, ENDLESS["bombs"](200)]) as server,
        session(server.url) as client,
        within(80 * MIB),
        pytest.raises(oxide.ApiResponseError, match=str(64 * MIB)),
    ):
        client.api.image_list()


@pytest.mark.parametrize("what", ["length", "chunks", "gzip"])
def test_the_beginning_of_a_body_can_be_read_before_the_rest_arrives(what: str) -> None:
    """This includes bytes still in the decoder, which may turn one byte into hundreds."""
    zipped = gzip.compress(b" " * 5000, mtime=0)
    arrived = {
        "length": http_response(200, b" " * 5000)[:-4000],
        "chunks": chunked(b" " * 1000)[:-5],
        "gzip": http_response(200, zipped, "Content-Encoding: gzip")[:-9],
    }[what]
    size = len(zlib.decompressobj(31).decompress(zipped[:-9])) if what == "gzip" else 1000
    assert size > 900
    with (
        FaultServer([request, send(arrived), stall]) as server,
        session(server.url, read_timeout=1) as client,
        client.api.image_list_without_preload_content() as response,
    ):
        read = b""
        while len(read) < size:
            read += response.read1(7)
        assert read == b" " * size
        with pytest.raises(oxide.ApiTimeoutError):
            response.read1(7)


GROWING: dict[str, bytes] = {
    "arrays": b'{"items":[],"x":[' + b"[[]]," * 4 * MIB + b"1]}",
    "objects": b'{"items":[],"x":[' + b"{}," * 4 * MIB + b"1]}",
    "items": b'{"items":[' + b"{}," * 4 * MIB + b"1]}",
    "empty-texts": b'{"items":[' + b'"",' * 22_000_000 + b"1]}",
    "numbers": b"[" + b"1," * 10 * MIB + b"1]",
}


@pytest.mark.parametrize("what", GROWING)
def test_json_with_far_too_many_values_is_not_parsed(what: str) -> None:
    script = [request, send(gzipped(GROWING[what]))]
    with FaultServer(otherwise=script) as server, session(server.url) as client:
        with within(2 * len(GROWING[what]) + MIB), pytest.raises(oxide.ApiResponseError) as raised:
            LIST(client.api)
        assert (raised.value.status, raised.value.operation) == (200, "image_list")
        assert "too many JSON values for max_response_bytes" in str(raised.value)
        with (
            LIST(client.api, "_without_preload_content") as response,
            pytest.raises(oxide.ApiResponseError, match="JSON values"),
        ):
            response.json()


@pytest.mark.parametrize("cap", [9, 64])
def test_a_page_of_ordinary_images_is_read_up_to_the_limit(cap: int) -> None:
    one = json.dumps(IMAGE, separators=(",", ":")).encode()
    body = b'{"items":[' + b",".join([one] * (cap * MIB // (len(one) + 1) - 1)) + b'],"next_page":null}'
    assert len(body) > (cap - 1) * MIB
    with (
        FaultServer([request, send(http_response(200, body))]) as server,
        session(server.url, max_response_bytes=cap * MIB) as client,
        LIST(client.api, "_without_preload_content") as response,
    ):
        # This parses into plain objects, since so many image models would take seconds.
        assert len(response.json()["items"]) == body.count(b'"id"')


def test_an_announced_body_takes_no_memory_before_it_arrives() -> None:
    script = [request, send(http_response(200, b"{}", f"Content-Length: {10**17}", length=False))]
    with (
        FaultServer(otherwise=script) as server,
        session(server.url, max_response_bytes=2**62, max_retries=0) as client,
        within(MIB),
        pytest.raises(oxide.ApiConnectionError, match="cut"),
    ):
        LIST(client.api)


@pytest.mark.parametrize("size", [-1, 0, None, 2**63])
@pytest.mark.parametrize("make", [http_response, gzipped], ids=["plain", "gzip"])
def test_a_stream_without_a_chunk_size_yields_the_whole_body(make: Any, size: int | None) -> None:
    with (
        FaultServer(
            [request, send(make(200, b"x" * 100_000) if make is http_response else make(b"x" * 100_000))]
        ) as server,
        session(server.url, max_response_bytes=2**63 - 1) as client,
        LIST(client.api, "_without_preload_content") as response,
    ):
        assert b"".join(response.stream(size)) == b"x" * 100_000


WRONG: list[Any] = ["x", 1.5, b"1", [1]]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("name", ["read", "read1", "stream"])
def test_a_size_that_is_not_a_number_is_refused_before_anything_is_read(name: str, wrong: Any) -> None:
    with (
        FaultServer([request, send(http_response(200, b"abc")), stall]) as server,
        session(server.url) as client,
        LIST(client.api, "_without_preload_content") as response,
    ):
        with pytest.raises(oxide.ApiTypeError, match=f"int or None, not {type(wrong).__name__}"):
            getattr(response, name)(wrong)
        assert response.read() == b"abc"


def test_getheader_accepts_only_text() -> None:
    with (
        FaultServer([request, send(http_response(200, b"abc", "5: x")), stall]) as server,
        session(server.url) as client,
        LIST(client.api, "_without_preload_content") as response,
    ):
        number: Any = 5
        with pytest.raises(oxide.ApiTypeError, match="str, not int"):
            response.getheader(number)
        assert response.getheader("5") == "x"
