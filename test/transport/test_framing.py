"""A badly framed response is a typed error, and no request gets the response to another one."""

import gzip
import select
import socket
import ssl

import pytest

import oxide
from transport.calls import CREATE, DELETE, LIST, VIEW, WRITES, Call, image, open_sockets, session
from transport.fault_server import (
    FaultServer,
    Peer,
    always,
    chunked,
    gzipped,
    http_response,
    part_of_request,
    request,
    send,
    stall,
)

BODY = image("right")
WRONG = http_response(200, image("wrong"))
LENGTH = len(BODY)
LINE = b"HTTP/1.1 200 OK\r\n"


def headers(*lines: str) -> bytes:
    """Return a response with these header lines, and a body that fits only if they say so."""
    return http_response(200, b"", *lines, length=False) + BODY


def chunks(*sizes: str, end: bytes = b"\r\n") -> bytes:
    """Return a chunked response in chunks of one byte, with these texts as their sizes."""
    body = b"".join(size.encode("latin-1") + end + b"{\r\n" for size in sizes)
    return http_response(200, b"", "Transfer-Encoding: chunked", length=False) + body + b"0\r\n\r\n"


MALFORMED_HEADS = {
    "garbage": b"garbage\r\n\r\n",
    "empty-line-first": b"\r\n" + http_response(200, BODY),
    "no-http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "tls": b"\x15\x03\x01\x00\x02\x02\x46\n",
    "icy": http_response(200, BODY).replace(b"HTTP/1.1", b"ICY"),
    "http-2": http_response(200, BODY).replace(b"HTTP/1.1", b"HTTP/2.0"),
    "http-1": http_response(200, BODY).replace(b"HTTP/1.1", b"HTTP/1"),
    "http-1.10": http_response(200, BODY).replace(b"HTTP/1.1", b"HTTP/1.10"),
    "lower-case": http_response(200, BODY).replace(b"HTTP/1.1", b"http/1.1"),
    "space-first": b" " + http_response(200, BODY),
    "no-status": b"HTTP/1.1\r\n\r\n",
    "empty-status": b"HTTP/1.1 \r\n\r\n",
    "word-for-a-status": http_response(200, BODY).replace(b"200", b"abc", 1),
    "status-of-two-digits": http_response(99, BODY),
    "status-of-four-digits": http_response(1000, BODY),
    "status-0": http_response(0, BODY).replace(b" 0 ", b" 000 ", 1),
    "signed-status": http_response(200, BODY).replace(b"200", b"+200", 1),
    "status-with-an-underscore": http_response(200, BODY).replace(b"200", b"2_00", 1),
    "two-spaces": http_response(200, BODY).replace(b" 200", b"  200", 1),
    "tab": http_response(200, BODY).replace(b" 200", b"\t200", 1),
    "no-space-before-the-reason": http_response(200, BODY).replace(b"200 ", b"200", 1),
    "return-in-the-status-line": http_response(200, BODY, reason="O\rK"),
    "nul-in-the-status-line": http_response(200, BODY, reason="O\0K"),
    "vertical-tab-in-the-status-line": http_response(200, BODY, reason="O\vK"),
    "endless-status-line": b"HTTP/1.1 200 " + b"x" * 70000 + b"\r\n\r\n",
    "endless-line-without-an-end": b"x" * 70000,
    "first-header-is-a-continuation": headers(" Content-Length: 5", "A: b"),
    "header-without-a-name": headers(": value", f"Content-Length: {LENGTH}"),
    "space-before-the-colon": headers(f"Content-Length : {LENGTH}"),
    "return-in-a-header": headers(f"A: b\rContent-Length: {LENGTH}"),
    "nul-in-a-header": headers("A: b\0c", f"Content-Length: {LENGTH}"),
    "vertical-tab-in-a-header": headers("A: b\vc", f"Content-Length: {LENGTH}"),
    "endless-header": headers("A: " + "x" * 70000, f"Content-Length: {LENGTH}"),
    "length-negative": headers("Content-Length: -1"),
    "length-signed": headers(f"Content-Length: +{LENGTH}"),
    "length-with-an-underscore": headers("Content-Length: 1_0"),
    "length-in-hex": headers("Content-Length: 0x10"),
    "length-a-word": headers("Content-Length: many"),
    "length-empty": headers("Content-Length:"),
    "length-with-a-space": headers("Content-Length: 1 0"),
    "length-after-another-kind-of-space": headers(f"Content-Length: \xa0{LENGTH}"),
    "length-folded": headers(f"Content-Length:\r\n {LENGTH}"),
    "length-of-another-script": headers("Content-Length: \xb2"),
    "length-of-19-digits": headers("Content-Length: " + "9" * 19),
    "length-of-5000-digits": headers("Content-Length: " + "9" * 5000),
    "lengths-conflicting": headers(f"Content-Length: {LENGTH}", f"Content-Length: {LENGTH + 1}"),
    "lengths-conflicting-in-one": headers(f"Content-Length: {LENGTH}, {LENGTH + 1}"),
    "lengths-written-in-two-ways": headers(f"Content-Length: {LENGTH}", f"Content-Length: 0{LENGTH}"),
    "coding-unknown": headers("Transfer-Encoding: gzip"),
    "coding-gzip-and-chunked": chunked(BODY).replace(b"chunked", b"gzip, chunked"),
    "coding-chunked-and-identity": chunked(BODY).replace(b"chunked", b"chunked, identity"),
    "coding-chunked-twice": chunked(BODY, "Transfer-Encoding: chunked"),
    "coding-chunked-twice-in-one": chunked(BODY).replace(b"chunked", b"chunked, chunked"),
    "coding-empty": headers("Transfer-Encoding:"),
    "coding-with-a-return": chunked(BODY).replace(b"chunked", b"chunked\r"),
    "switching-protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    + http_response(200, BODY),
    "header-of-two-words": headers("A B: c", f"Content-Length: {LENGTH}"),
    "length-without-a-colon": headers(f"Content-Length {LENGTH}", "A: b"),
    "length-that-continues-no-header": headers("nonsense", f" Content-Length: {LENGTH}"),
    "coding-after-a-space": chunked(BODY).replace(b"Encoding:", b"Encoding :"),
    "lengths-conflicting-and-chunked": chunked(BODY, "Content-Length: 1", "Content-Length: 2"),
    "length-a-word-and-chunked": chunked(BODY, "Content-Length: many"),
    "headers-of-300-kilobytes": headers(*["A: " + "x" * 1000] * 300, f"Content-Length: {LENGTH}"),
    "headers-of-300-kilobytes-without-colons": headers(*["x" * 1000] * 300, f"Content-Length: {LENGTH}"),
    "headers-of-an-interim-response-of-300-kilobytes": b"HTTP/1.1 100\r\n"
    + (b"A: " + b"b" * 1000 + b"\r\n") * 300
    + b"\r\n"
    + http_response(200, BODY),
    "21-interim-responses": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 21 + http_response(200, BODY),
}
MALFORMED_BODIES = {
    "chunk-size-in-c": chunks("0x1"),
    "chunk-size-signed": chunks("+1"),
    "chunk-size-negative": chunks("-1"),
    "chunk-size-with-an-underscore": chunks("0_1"),
    "chunk-size-empty": chunks(""),
    "chunk-size-a-word": chunks("one"),
    "chunk-size-after-a-space": chunks(" 1"),
    "chunk-size-of-16-digits": chunks("1000000000000001"),
    "chunk-size-of-17-digits": chunks("01000000000000001"),
    "chunk-size-with-a-return": chunks("1\r"),
    "chunk-size-with-a-nul": chunks("1;\0"),
    "chunk-size-line-endless": chunks("1;" + "x" * 70000),
    "chunk-size-line-without-a-return": chunks("1", end=b"\n"),
    "chunk-without-an-end": chunked(BODY, size=LENGTH).replace(BODY + b"\r\n", BODY),
    "chunk-with-another-end": chunked(BODY, size=LENGTH).replace(BODY + b"\r\n", BODY + b"\n\n"),
    "chunk-too-long": chunked(BODY, size=LENGTH).replace(b"%x\r\n" % LENGTH, b"%x\r\n" % (LENGTH - 1)),
    "trailers-of-300-kilobytes": chunked(BODY)[:-2] + (b"A: " + b"b" * 1000 + b"\r\n") * 300 + b"\r\n",
    "trailer-line-endless": chunked(BODY)[:-2] + b"A: " + b"x" * 70000 + b"\r\n\r\n",
    "gzip-none": http_response(200, BODY, "Content-Encoding: gzip"),
    "gzip-damaged": gzipped(BODY).replace(gzip.compress(BODY)[20:24], b"????"),
    "gzip-of-another-check": gzipped(BODY)[:-8] + b"\0\0\0\0" + gzipped(BODY)[-4:],
    "gzip-and-more": http_response(200, gzip.compress(BODY) + b"more", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("call", [VIEW, CREATE], ids=repr)
@pytest.mark.parametrize("what", MALFORMED_HEADS)
def test_a_malformed_head_is_an_error(call: Call, what: str) -> None:
    script = [request, send(MALFORMED_HEADS[what]), request, send(WRONG), stall]
    with (
        FaultServer(script, [request, send(http_response(200, BODY)), stall]) as server,
        session(server.url) as client,
    ):
        with pytest.raises(oxide.ApiResponseError) as raised:
            call(client.api)
        # The client does not read the rest of the first connection.
        assert client.api.image_view("right").name == "right"
        assert server.connections == 2
    error = raised.value
    assert str(error.reason).startswith("malformed response: ")
    assert (error.status, error.outcome) == (None, "unknown")
    assert len(error.attempts) == 1


@pytest.mark.parametrize("call", [VIEW, CREATE], ids=repr)
@pytest.mark.parametrize("what", MALFORMED_BODIES)
def test_a_malformed_body_is_an_error(call: Call, what: str) -> None:
    first = [request, send(MALFORMED_BODIES[what]), request, send(WRONG), stall]
    # If only the content coding is wrong, the connection can be used again.
    reusable = what.startswith(("gzip", "coding"))
    if reusable:
        first[3] = send(http_response(200, BODY))
    with (
        FaultServer(first, [request, send(http_response(200, BODY)), stall]) as server,
        session(server.url) as client,
    ):
        with pytest.raises(oxide.ApiResponseError) as raised:
            call(client.api)
        assert client.api.image_view("right").name == "right"
        assert server.connections == 2 or reusable
    error = raised.value
    assert str(error.reason).startswith("malformed response: ")
    assert (error.status, error.outcome) == (200, "answered")
    assert len(error.attempts) == 1


GOOD = {
    "length": http_response(200, BODY),
    "length-after-spaces": headers(f"Content-Length: \t {LENGTH} \t"),
    "length-with-zeros": headers(f"Content-Length: 000{LENGTH}"),
    "names-in-capitals": http_response(200, BODY).replace(b"Content-Length", b"CONTENT-LENGTH"),
    "no-reason": http_response(200, BODY, reason=""),
    "no-space-after-the-status": http_response(200, BODY).replace(b"200 Reason", b"200"),
    "reason-in-latin-1": http_response(200, BODY, reason="D'accord, tr\xe8s bien"),
    "lines-without-returns": http_response(200, BODY).replace(b"\r\n", b"\n"),
    "folded-header": http_response(200, BODY, "A: b\r\n  c"),
    "20000-folds": http_response(200, BODY, "A: b" + "\r\n c" * 20_000),
    "headers-in-latin-1": http_response(200, BODY, "A: \xe8"),
    "100-headers": http_response(200, BODY, *["A: b"] * 99),
    "interim-100": b"HTTP/1.1 100 Continue\r\n\r\n" + http_response(200, BODY),
    "interim-of-all-kinds": b"".join(b"HTTP/1.1 %d x\r\nA: b\r\n\r\n" % n for n in (100, 102, 103, 199))
    + http_response(200, BODY),
    "20-interim-responses": b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * 20 + http_response(200, BODY),
    "chunked": chunked(BODY),
    "one-chunk": chunked(BODY, size=LENGTH),
    "chunks-of-one": chunked(BODY, size=1),
    "chunk-sizes-in-capitals": chunked(BODY, size=0xAB).replace(b"ab\r\n", b"AB\r\n"),
    "chunk-sizes-with-zeros": chunked(BODY, size=LENGTH).replace(b"%x\r\n{" % LENGTH, b"%015x\r\n{" % LENGTH),
    "chunk-extensions": chunked(BODY, size=LENGTH).replace(b"\r\n{", b' ; a=b;c="d e"\r\n{'),
    "trailer": chunked(BODY)[:-2] + b"A: b\r\nContent-Length: 3\r\n\r\n",
    "chunked-in-capitals": chunked(BODY).replace(b"chunked", b"CHUNKED"),
    "gzip": gzipped(BODY),
    "gzip-in-capitals": gzipped(BODY).replace(b"gzip\r", b" GZip \r"),
    "x-gzip": gzipped(BODY).replace(b" gzip\r", b" x-gzip\r"),
    "gzip-in-chunks": chunked(gzip.compress(BODY), "Content-Encoding: gzip"),
    "gzip-in-chunks-of-one": chunked(gzip.compress(BODY), "Content-Encoding: gzip", size=1),
    "gzip-in-two-parts": http_response(
        200, gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), "Content-Encoding: gzip"
    ),
    "gzip-with-an-empty-part": http_response(
        200, gzip.compress(b"") + gzip.compress(BODY), "Content-Encoding: gzip"
    ),
    "101-headers": http_response(200, BODY, *["A: b"] * 100),
    "20000-headers": http_response(200, BODY, *["A: b"] * 20_000),
    "chunk-size-of-16-digits-with-zeros": chunked(BODY, size=LENGTH).replace(
        b"%x\r\n{" % LENGTH, b"%016x\r\n{" % LENGTH
    ),
    "gzip-with-zeros-behind": http_response(200, gzip.compress(BODY) + b"\0" * 512, "Content-Encoding: gzip"),
    "gzip-with-zeros-between": http_response(
        200, gzip.compress(BODY[:9]) + b"\0" * 512 + gzip.compress(BODY[9:]), "Content-Encoding: gzip"
    ),
    "coding-utf-8": http_response(200, BODY, "Content-Encoding: UTF-8"),
    "coding-none": http_response(200, BODY, "Content-Encoding: none"),
    "coding-empty": http_response(200, BODY, "Content-Encoding:"),
    "coding-br": http_response(200, BODY, "Content-Encoding: br"),
    "coding-unknown": http_response(200, BODY, "Content-Encoding: x-rot13"),
    "coding-in-two-lines": http_response(200, BODY, "Content-Encoding: gzip", "Content-Encoding: identity"),
    "identity": http_response(200, BODY, "Content-Encoding: identity"),
    "keep-alive": http_response(200, BODY, "Connection: keep-alive"),
    "http-1.0-kept": http_response(200, BODY, "Connection: Keep-Alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
}
ODD = {
    "header-without-a-colon": headers("nonsense", f"Content-Length: {LENGTH}"),
    "last-header-without-a-colon": headers(f"Content-Length: {LENGTH}", "nonsense"),
    "header-without-a-colon-continued": headers("nonsense", "  A: b", f"Content-Length: {LENGTH}"),
    "space-before-the-colon": headers("A \t: b", f"Content-Length: {LENGTH}"),
    "first-header-is-a-continuation": headers("  A: b", f"Content-Length: {LENGTH}"),
    "interim-response-with-an-odd-header": b"HTTP/1.1 103 Early Hints\r\nnonsense\r\n\r\n"
    + http_response(200, BODY),
    "length-twice": headers(f"Content-Length: {LENGTH}", f"content-length: {LENGTH}"),
    "length-twice-in-one": headers(f"Content-Length: {LENGTH}, {LENGTH}"),
    "length-and-chunked": chunked(BODY, f"Content-Length: {LENGTH - 5}"),
    "chunk-size-of-40-digits": chunked(BODY, size=LENGTH).replace(
        b"%x\r\n{" % LENGTH, b"%040x\r\n{" % LENGTH
    ),
    "last-chunk-size-of-40-digits": chunked(BODY).replace(b"\r\n0\r\n", b"\r\n" + b"0" * 40 + b"\r\n"),
    "trailer-without-a-colon": chunked(BODY)[:-2] + b"nonsense\r\n\r\n",
    "http-1.0-chunked": chunked(BODY, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
}
ENDED_BY_CLOSING = {
    "http-1.0": headers().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no-length": headers(),
    "no-length-gzip": http_response(200, b"", "Content-Encoding: gzip", length=False) + gzip.compress(BODY),
    "length-and-close": http_response(200, BODY, "Connection: close"),
    "close-in-another-line": http_response(200, BODY, "Connection: keep-alive", "connection: Close"),
    "close-in-a-list": http_response(200, BODY, "Connection: x, CLOSE"),
    "chunked-and-close": chunked(BODY, "Connection: close"),
    "http-1.0-length": http_response(200, BODY).replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("what", GOOD)
def test_unusual_responses_are_read_and_their_connection_is_kept(what: str) -> None:
    script = [request, send(GOOD[what]), request, send(http_response(200, image("next"))), stall]
    with FaultServer(script) as server, session(server.url) as client:
        response = client.api.image_view_with_http_info("right")
        assert response.raw_data == BODY
        assert response.data.name == "right"
        assert client.api.image_view("next").name == "next"
        assert server.connections == 1


@pytest.mark.parametrize("what", ENDED_BY_CLOSING)
def test_responses_that_end_their_connection_are_read(what: str) -> None:
    with (
        FaultServer(
            [request, send(ENDED_BY_CLOSING[what])], [request, send(http_response(200, image("next"))), stall]
        ) as server,
        session(server.url) as client,
    ):
        assert client.api.image_view_with_http_info("right").raw_data == BODY
        assert client.api.image_view("next").name == "next"
        assert server.connections == 2


@pytest.mark.parametrize("what", ODD)
def test_odd_responses_are_read_and_their_connection_is_not_used_again(what: str) -> None:
    script = [request, send(ODD[what]), request, send(WRONG), stall]
    with (
        FaultServer(script, [request, send(http_response(200, image("next"))), stall]) as server,
        session(server.url) as client,
    ):
        assert client.api.image_view_with_http_info("right").raw_data == BODY
        assert client.api.image_view("next").name == "next"
        assert server.connections == 2


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
def test_a_body_in_an_unrequested_coding_is_an_error(coding: str) -> None:
    body = gzip.compress(gzip.compress(BODY))
    with (
        FaultServer(
            [request, send(http_response(200, body, f"Content-Encoding: {coding}")), stall]
        ) as server,
        session(server.url) as client,
        pytest.raises(oxide.ApiResponseError, match="not JSON"),
    ):
        client.api.image_view("right")


REFUSAL = b'{"message": "no such image", "error_code": "ObjectNotFound", "request_id": "r"}'
ERRORS = {
    "utf-8": http_response(404, REFUSAL, "Content-Encoding: utf-8"),
    "br": http_response(404, REFUSAL, "Content-Encoding: br"),
    "gzip-that-is-none": http_response(404, REFUSAL, "Content-Encoding: gzip"),
    "gzip-with-zeros-behind": http_response(
        404, gzip.compress(REFUSAL) + b"\0" * 9, "Content-Encoding: gzip"
    ),
    "byte-order-mark": http_response(404, b"\xef\xbb\xbf" + REFUSAL),
    "length-and-chunked": chunked(REFUSAL, "Content-Length: 5", status=404),
    "cut": http_response(404, REFUSAL + b" ")[:-1],
}


@pytest.mark.parametrize("what", ERRORS)
def test_the_message_of_an_error_in_an_odd_response_is_kept(what: str) -> None:
    with (
        FaultServer([request, send(ERRORS[what])]) as server,
        session(server.url) as client,
        pytest.raises(oxide.NotFoundException) as raised,
    ):
        client.api.image_view("right")
    error = raised.value
    assert (error.message, error.error_code) == ("no such image", "ObjectNotFound")
    assert "no such image" in str(error.body)
    assert "check the path" not in str(error)


def test_a_byte_order_mark_before_json_is_ignored() -> None:
    body = b"\xef\xbb\xbf" + BODY
    with (
        FaultServer([always(request, send(http_response(200, body)))]) as server,
        session(server.url) as client,
    ):
        assert client.api.image_view("right").name == "right"
        with client.api.image_view_without_preload_content("right") as response:
            assert response.json()["name"] == "right"
        assert response.data == body


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", '[{"a": NaN}]'])
def test_nan_and_infinity_are_not_json(value: str) -> None:
    """The parsers of both forms would accept them."""
    body = BODY[:-1] + f', "more": {value}}}'.encode()
    with (
        FaultServer([always(request, send(http_response(200, body)))]) as server,
        session(server.url) as client,
    ):
        with pytest.raises(oxide.ApiResponseError, match="not JSON"):
            client.api.image_view("right")
        with (
            client.api.image_view_without_preload_content("right") as response,
            pytest.raises(oxide.ApiResponseError, match="not JSON"),
        ):
            response.json()


def test_an_image_may_have_the_name_nan() -> None:
    with (
        FaultServer([request, send(http_response(200, image("NaN, Infinity")))]) as server,
        session(server.url) as client,
    ):
        assert client.api.image_view("nan").name == "NaN, Infinity"


BODILESS = {
    "plain": http_response(204, b"", length=False),
    "length-0": http_response(204, b""),
    "length": http_response(204, b"", "Content-Length: 5", length=False),
    "chunked": http_response(204, b"", "Transfer-Encoding: chunked", length=False),
    "chunked-and-sent": http_response(204, b"", "Transfer-Encoding: chunked", length=False) + b"0\r\n\r\n",
    "chunked-and-length": http_response(
        204, b"", "Transfer-Encoding: chunked", "Content-Length: 3", length=False
    ),
    "length-and-sent": http_response(204, b"", "Content-Length: 5", length=False) + b"12345",
    "gzip": http_response(204, b"", "Content-Encoding: gzip", length=False),
    "br": http_response(204, b"", "Content-Encoding: br", length=False),
    "200-empty": http_response(200, b""),
    "200-empty-gzip": http_response(200, b"", "Content-Encoding: gzip"),
    "200-empty-br": http_response(200, b"", "Content-Encoding: br"),
    "200-empty-chunked": chunked(b""),
    "200-body": http_response(200, b'"whatever"'),
}


@pytest.mark.parametrize("form", ["", "_with_http_info", "_without_preload_content"])
@pytest.mark.parametrize("what", BODILESS)
def test_a_204_has_no_body_whatever_its_headers_say(what: str, form: str) -> None:
    script = [request, send(BODILESS[what]), request, send(WRONG), stall]
    right = http_response(200, image("right"))
    kept = what in {"plain", "length-0", "gzip", "br"} or (
        what.startswith("200") and form != "_without_preload_content"
    )
    if kept or what in {"200-empty", "200-empty-gzip", "200-empty-br"}:
        script[3], kept = send(right), True
    with FaultServer(script, [request, send(right), stall]) as server, session(server.url) as client:
        result = DELETE(client.api, form)
        if form == "_without_preload_content":
            result.close()
        assert client.api.image_view("right").name == "right"
        assert server.connections == (1 if kept else 2)


def test_a_304_is_a_redirect_without_a_body() -> None:
    script = [request, send(http_response(304, b"", "Content-Length: 500", length=False)), stall]
    with (
        FaultServer(script) as server,
        session(server.url) as client,
        pytest.raises(oxide.RedirectException),
    ):
        client.api.image_list()


BEHIND = {
    "response": WRONG,
    "byte": b"x",
    "line": b"\r\n",
    "head": WRONG[:30],
    "megabyte": WRONG + b"x" * 2**20,
}
ANSWERS = {
    "length": http_response(200, BODY),
    "chunked": chunked(BODY),
    "gzip": gzipped(BODY),
    "gzip-in-chunks": chunked(gzip.compress(BODY), "Content-Encoding: gzip"),
    "refusal": http_response(404, b'{"message": "right"}'),
    "redirect": http_response(302, b"", "Location: /right"),
    "empty": http_response(204, length=False),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("what", ANSWERS)
@pytest.mark.parametrize("call", [VIEW, DELETE], ids=repr)
def test_bytes_after_a_response_are_not_read_as_the_next_one(call: Call, what: str, behind: str) -> None:
    script = [request, send(ANSWERS[what] + BEHIND[behind]), request, send(WRONG), stall]
    with (
        FaultServer(script, [request, send(http_response(200, image("next"))), stall]) as server,
        session(server.url) as client,
    ):
        try:
            call(client.api)
        except oxide.NotFoundException as error:
            assert error.message == "right"  # noqa: PT017 - some of the rows
        except oxide.RedirectException as error:
            assert error.location == "/right"  # noqa: PT017 - some of the rows
        except oxide.ApiResponseError as error:
            assert (call, what, error.status) == (VIEW, "empty", 204)  # noqa: PT017 - some of the rows
        assert client.api.image_view("next").name == "next"
        assert server.connections == 2


def test_bytes_that_arrive_late_are_not_read_as_the_next_response() -> None:
    """The bytes arrive after the first response has been read and its connection has been returned."""
    script = [request, send(http_response(200, BODY)), wait_for_release, send(WRONG), stall]
    before = open_sockets()
    with (
        FaultServer(script, [request, send(http_response(200, image("next"))), stall]) as server,
        session(server.url) as client,
    ):
        assert client.api.image_view("right").name == "right"
        server.released.set()
        wait_until_readable(open_sockets() - before, server.port)
        assert client.api.image_view("next").name == "next"
        assert server.connections == 2


def wait_for_release(peer: Peer) -> None:
    assert peer.server.released.wait(30)


def wait_until_readable(descriptors: set[int], port: int) -> None:
    """Wait until the client's end of a connection to `port` has something to read."""
    for descriptor in descriptors:
        with socket.socket(fileno=descriptor) as sock:
            try:
                if sock.getpeername()[1] == port:
                    assert select.select([sock], [], [], 30)[0]
            except OSError:
                pass
            finally:
                sock.detach()


@pytest.mark.parametrize("behind", [WRONG, b"x"], ids=["response", "byte"])
def test_bytes_buffered_by_tls_are_not_read_as_the_next_response(
    behind: bytes, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    """They are at the end of the body's record, of which the client read only the body."""
    head, separator, body = http_response(404, b'{"message": "right"}').partition(b"\r\n\r\n")
    script = [request, send([head + separator, body + behind]), request, send(WRONG), stall]
    with (
        FaultServer(
            script, [request, send(http_response(200, image("next"))), stall], tls=server_tls
        ) as server,
        session(server.url, ssl_ca_cert=ca_file) as client,
    ):
        with pytest.raises(oxide.NotFoundException, match="right"):
            VIEW(client.api)
        assert client.api.image_view("next").name == "next"
        assert server.connections == 2


@pytest.mark.parametrize("call", WRITES, ids=repr)
def test_an_early_response_to_a_request_that_is_still_being_sent_is_read(call: Call) -> None:
    refusal = http_response(431, b'{"message": "too large"}', "Connection: close")
    with (
        FaultServer([part_of_request, send(refusal), stall]) as server,
        session(server.url) as client,
        pytest.raises(oxide.ApiException) as raised,
    ):
        call(client.api, _headers={f"X-{number}": "x" * 2**20 for number in range(4)})
    assert (raised.value.status, raised.value.message) == (431, "too large")


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"[" * 100_000])
def test_json_of_an_open_response_raises_if_the_body_is_not_json(body: bytes) -> None:
    with (
        FaultServer([request, send(http_response(200, body))]) as server,
        session(server.url) as client,
        LIST(client.api, "_without_preload_content") as response,
        pytest.raises(oxide.ApiResponseError, match="not JSON") as raised,
    ):
        response.json()
    assert raised.value.operation == "image_list"
    assert raised.value.__cause__ is None
