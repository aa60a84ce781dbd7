"""No call exceeds its time limits, wherever the time is spent.

Most servers here turn the client's own clock on, so that seconds cost nothing; what waits inside the operating system
or OpenSSL is given real limits, which are short.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oxide
from oxide._transport.exchange import Exchange, Limits
from transport.calls import (
    CALLS,
    CREATE,
    DELETE,
    LIST,
    READS,
    VIEW,
    WRITES,
    Call,
    FakeClock,
    image,
    open_sockets,
    session,
)
from transport.fault_server import (
    FaultServer,
    Step,
    always,
    chunked,
    do,
    drip,
    gzipped,
    http_response,
    part_of_request,
    request,
    send,
    stall,
    until_released,
)

WHOLE = "within 300 s (timeout=300)"
FILLER = b" " * 400
PADDED = image() + FILLER
# At a byte a second, each takes longer than 300 seconds, and is a valid response in the end.
DRIPS: dict[str, tuple[bytes, bytes]] = {
    "status-line": (b"", http_response(200, PADDED, reason="x" * 400)),
    "header": (b"HTTP/1.1 200 OK\r\n", http_response(200, PADDED, "X: " + "x" * 400).partition(b"\r\n")[2]),
    "headers": (b"HTTP/1.1 200 OK\r\n", http_response(200, PADDED, *["X: y"] * 90).partition(b"\r\n")[2]),
    "interim-responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + http_response(200, PADDED)),
    "headers-of-an-interim-response": (
        b"HTTP/1.1 103 Early Hints\r\n",
        b"Link: </>\r\n" * 50 + b"\r\n" + http_response(200, image()),
    ),
    "body": (http_response(200, PADDED)[: -len(PADDED)], PADDED),
    "body-without-a-length": (http_response(200, b"", length=False), PADDED),
    "chunk-size-lines": (chunked(b"")[:-5], chunked(image(), size=3).partition(b"\r\n\r\n")[2]),
    "chunk-extension": (chunked(b"")[:-5], b"1;%b\r\n{\r\n" % (b"x" * 400)),
    "trailer": (chunked(image())[:-2], b"X: y\r\n" * 80 + b"\r\n"),
}
BODIES = {"body", "body-without-a-length", "chunk-size-lines", "chunk-extension", "trailer"}


@pytest.mark.parametrize("call", [VIEW, CREATE], ids=repr)
@pytest.mark.parametrize("place", DRIPS)
def test_a_slow_response_does_not_exceed_the_deadline(call: Call, place: str) -> None:
    clock = FakeClock()
    head, tail = DRIPS[place]
    assert len(tail) > 300
    script = [request, send(head), drip(tail, lambda: clock.tick(1)), stall]
    with FaultServer(script) as server, session(server.url, clock=clock) as client:
        with pytest.raises(oxide.ApiTimeoutError) as raised:
            call(client.api)
        assert server.connections == 1
    error = raised.value
    assert error.reason == f"no {'complete ' if place in BODIES else ''}response {WHOLE}"
    assert (error.outcome, error.status) == (("answered", 200) if place in BODIES else ("unknown", None))
    assert len(error.attempts) == 1
    assert isinstance(error.__cause__, TimeoutError)


@pytest.mark.parametrize("place", DRIPS)
def test_a_slow_response_within_the_deadline_is_read(place: str) -> None:
    clock = FakeClock()
    head, tail = DRIPS[place]
    if place == "chunk-extension":
        tail += b"%x\r\n%b\r\n0\r\n\r\n" % (len(image()) - 1, image()[1:])
    ticks = iter([1] * 299)
    script = [request, send(head), drip(tail, lambda: clock.tick(next(ticks, 0)))]
    with (
        FaultServer(script) as server,
        session(server.url, clock=clock) as client,
    ):
        assert client.api.image_view("an-image").name == "an-image"


@pytest.mark.parametrize(
    "body", [http_response(404, PADDED), chunked(PADDED, status=404), gzipped(PADDED, status=404)]
)
def test_an_error_with_a_slow_body_is_raised_with_what_has_arrived(body: bytes) -> None:
    clock = FakeClock()
    head, separator, tail = body.partition(b"\r\n\r\n")
    tail = tail if len(tail) > 310 else tail + b"\0" * (310 - len(tail))
    script = [request, send(head + separator), drip(tail, lambda: clock.tick(1)), stall]
    with (
        FaultServer(script) as server,
        session(server.url, clock=clock) as client,
        pytest.raises(oxide.NotFoundException) as raised,
    ):
        client.api.image_view("an-image")
    assert isinstance(raised.value.body, str)
    assert PADDED.startswith(raised.value.body.encode())


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_call_may_take_300_seconds_by_default(call: Call) -> None:
    clock = FakeClock()
    good = http_response(call.status, call.body)
    in_time = [request, do(lambda: clock.advance(299)), send(good)]
    # Whatever part the client is waiting for by then, it has to wait for more.
    too_late = [request, do(lambda: clock.advance(301)), send(good[:10]), stall]
    with FaultServer([*in_time, *too_late]) as server, session(server.url, clock=clock) as client:
        call(client.api)
        with pytest.raises(oxide.ApiTimeoutError, match=r" \(timeout="):
            call(client.api)


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"timeout": None}, {}),
        ({"timeout": None, "connect_timeout": None, "read_timeout": None}, {}),
        ({"timeout": 7}, {"_request_timeout": None}),
        ({"timeout": 7}, {"_request_timeout": 2147483}),
        ({"timeout": 2147483, "connect_timeout": 2147483, "read_timeout": 2147483}, {}),
    ],
)
def test_none_and_a_huge_number_mean_no_limit(
    call: Call, settings: dict[str, Any], options: dict[str, Any]
) -> None:
    clock = FakeClock()
    script = [request, do(lambda: clock.advance(2e6)), send(http_response(call.status, call.body)), stall]
    with FaultServer(script) as server, session(server.url, clock=clock, **settings) as client:
        call(client.api, **options)


def test_every_attempt_counts_towards_the_time_limit_of_the_call() -> None:
    """Each is lost after 60 s; the fifth ends after 300 s, and there is no time for a sixth."""
    clock = FakeClock()
    script = [request, do(lambda: clock.tick(60))]
    with (
        FaultServer(otherwise=script) as server,
        session(server.url, clock=clock, max_retries=9) as client,
        pytest.raises(oxide.ApiException) as raised,
    ):
        client.api.image_list()
    assert [attempt.elapsed for attempt in raised.value.attempts] == [60] * 5
    assert [attempt.delay for attempt in raised.value.attempts] == [0.5, 1, 2, 4, None]


@pytest.mark.parametrize("call", READS, ids=repr)
@pytest.mark.parametrize(
    "script", [[], [send(http_response(200, b"abc")[:-1])], [send(chunked(b"abc")[:-5])]]
)
def test_silence_ends_a_read_after_read_timeout(call: Call, script: list[Step]) -> None:
    with (
        FaultServer([request, *script, stall]) as server,
        session(server.url, read_timeout=0.5) as client,
    ):
        with pytest.raises(oxide.ApiTimeoutError) as raised:
            call(client.api)
        assert server.connections == 1
    assert raised.value.reason == "no data for 0.5 s (read_timeout=0.5)"
    assert raised.value.outcome == ("answered" if script else "unknown")
    assert len(raised.value.attempts) == 1


@pytest.mark.parametrize("call", WRITES, ids=repr)
def test_silence_does_not_end_a_write_before_the_time_limit_of_the_call(call: Call) -> None:
    with (
        FaultServer([request, stall]) as server,
        session(server.url, read_timeout=0.01, timeout=0.3) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        call(client.api)
    assert raised.value.reason == "no response within 0.3 s (timeout=0.3)"
    assert raised.value.outcome == "unknown"


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_the_read_timeout_of_a_pair_ends_a_write_too(call: Call) -> None:
    with (
        FaultServer([request, stall]) as server,
        session(server.url) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        call(client.api, _request_timeout=(None, 0.05))
    assert raised.value.reason == "no data for 0.05 s (read_timeout=0.05)"


def test_a_pair_of_timeouts_stays_within_the_configured_timeout() -> None:
    with (
        FaultServer([request, stall]) as server,
        session(server.url, timeout=0.3) as client,
        pytest.raises(oxide.ApiTimeoutError, match=r" \(timeout="),
    ):
        client.api.image_list(_request_timeout=(9, 9))


@contextmanager
def full_backlog() -> Iterator[int]:
    """Return a port whose queue of connections is full, so that another one gets no response."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        queued = []
        try:
            for _ in range(8):
                sock = socket.socket()
                queued.append(sock)
                sock.settimeout(0.05)
                try:
                    sock.connect(("127.0.0.1", port))
                except TimeoutError:
                    break
            else:
                pytest.fail("the queue has no end")
            yield port
        finally:
            for sock in queued:
                sock.close()


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_connecting_fails_after_connect_timeout_and_is_retried(call: Call) -> None:
    with (
        full_backlog() as port,
        session(f"http://127.0.0.1:{port}") as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        call(client.api, _request_timeout=(0.05, None))
    error = raised.value
    assert (
        error.reason
        == f"cannot connect to 127.0.0.1 port {port}: no connection within 0.05 s (connect_timeout=0.05)"
    )
    assert [attempt.outcome for attempt in error.attempts] == ["not sent"] * 3


def test_connecting_ends_at_the_time_limit_of_the_call() -> None:
    with (
        full_backlog() as port,
        session(f"http://127.0.0.1:{port}") as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        client.api.image_list(_request_timeout=0.1)
    assert raised.value.reason == "no response within 0.1 s (timeout=0.1)"
    assert raised.value.outcome == "not sent"
    assert len(raised.value.attempts) == 1


@pytest.mark.parametrize("call", [LIST, CREATE, DELETE], ids=repr)
def test_the_outcome_of_a_request_that_the_server_does_not_read_is_unknown(call: Call) -> None:
    """It does not fit into the buffers of both sides, so only a part of it is sent."""
    small = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)]
    with (
        FaultServer([part_of_request, until_released]) as server,
        session(server.url, socket_options=small) as client,
    ):
        with pytest.raises(oxide.ApiTimeoutError) as raised:
            call(client.api, _headers={"X": "x" * 2**20}, _request_timeout=0.3)
        assert server.connections == 1
    assert raised.value.outcome == "unknown"
    assert raised.value.reason == "no response within 0.3 s (timeout=0.3)"


@pytest.mark.parametrize("call", [CREATE], ids=repr)
def test_nothing_more_of_a_request_is_sent_after_the_deadline(call: Call) -> None:
    """The time is over right after the headers are sent; the body is not sent."""
    clock = FakeClock()
    small = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)]
    with (
        FaultServer([part_of_request, do(lambda: clock.advance(301)), request]) as server,
        session(server.url, socket_options=small, clock=clock) as client,
    ):
        with pytest.raises(oxide.ApiTimeoutError) as raised:
            call(client.api, _headers={"X": "x" * 2**20})
        assert server.connections == 1
    assert server.requests == []
    assert (raised.value.reason, raised.value.outcome) == (f"no response {WHOLE}", "unknown")


def test_the_deadline_applies_while_an_open_response_is_read() -> None:
    clock = FakeClock()
    script = [request, send(http_response(200, b"abcd")[:-2]), stall]
    with (
        FaultServer(script) as server,
        session(server.url, clock=clock) as client,
        client.api.image_list_without_preload_content() as response,
    ):
        assert response.read(1) == b"a"
        clock.advance(301)
        with pytest.raises(oxide.ApiTimeoutError) as raised:
            response.read()
    error = raised.value
    assert error.reason == f"no complete response {WHOLE}"
    assert (error.outcome, error.status) == ("answered", 200)
    assert (error.operation, error.method, len(error.attempts)) == ("image_list", "GET", 1)
    assert error.headers is not None
    assert error.headers["content-length"] == "4"


def test_tcp_keep_alive_is_enabled() -> None:
    script = [always(request, send(http_response(200, LIST.body)))]
    with FaultServer(script) as server:
        before = open_sockets()
        with session(server.url, socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)]) as client:
            client.api.image_list()
            # The client's, and the server's end of it.
            options = []
            for descriptor in open_sockets() - before:
                with socket.socket(fileno=descriptor) as sock:
                    if sock.getpeername()[1] == server.port:
                        options = [
                            sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                            sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
                        ]
                    sock.detach()
    assert options == [1, 30, 10, 3, 1, 131072]


LIMITS = st.none() | st.floats(0.001, 2147483)


@given(deadline=LIMITS, connect=LIMITS, read=LIMITS, passed=st.floats(0, 1e6), connecting=st.booleans())
def test_a_socket_operation_ends_at_the_nearest_time_limit(
    deadline: float | None, connect: float | None, read: float | None, passed: float, connecting: bool
) -> None:
    clock = FakeClock()
    exchange = Exchange(
        clock, None if deadline is None else clock.now + deadline, Limits(deadline, connect, read)
    )
    if connecting:
        exchange.begin_connecting()
    clock.advance(passed)
    limits = {
        "timeout": None if deadline is None else deadline - passed,
        "connect_timeout": connect - passed if connecting and connect is not None else None,
        "read_timeout": None if connecting else read,
    }
    known = {name: limit for name, limit in limits.items() if limit is not None}
    if not known:
        assert exchange.time_left() is None
        return
    nearest = min(known.values())
    if nearest <= -1e-6:
        with pytest.raises(TimeoutError):
            exchange.time_left()
    elif nearest > 1e-6:
        left = exchange.time_left()
        assert left == pytest.approx(nearest, abs=1e-3)
        assert known[exchange.limit] == pytest.approx(nearest, abs=1e-3)
        with socket.socket() as sock:
            sock.settimeout(left)
