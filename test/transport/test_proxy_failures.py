"""Proxies and tunnels that fail: before the request itself is sent, the outcome is `not sent`."""

import http.client
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

import oxide
from transport.calls import (
    CALLS,
    CREATE,
    LIST,
    VIEW,
    Call,
    FakeClock,
    NoticedClock,
    client_sockets,
    close_under_a_reader,
    image,
    outcomes,
    session,
)
from transport.fault_server import (
    FaultServer,
    Peer,
    Script,
    Step,
    chunked,
    do,
    drip,
    gzipped,
    handshake,
    http_response,
    inner_handshake,
    request,
    reset,
    send,
    stall,
)

HOST = "https://rack.example"
PLAIN = "http://127.0.0.1:9"
ESTABLISHED = send(b"HTTP/1.1 200 Connection established\r\n\r\n")
WHOLE = "no response within 0.3 s (timeout=0.3)"


@pytest.fixture(scope="session")
def rack_tls(ca: trustme.CA) -> ssl.SSLContext:
    """Return the TLS context of the rack behind the proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("rack.example").configure_cert(context)
    return context


def good(call: Call) -> Step:
    return send(http_response(call.status, call.body))


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_tunnel_is_used_for_several_calls(call: Call, rack_tls: ssl.SSLContext, ca_file: str) -> None:
    tunnel: Script = [
        request,
        ESTABLISHED,
        handshake(rack_tls),
        request,
        good(call),
        request,
        good(call),
        stall,
    ]
    with FaultServer(tunnel) as proxy, session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client:
        call(client.api)
        call(client.api)
        assert proxy.methods() == ["CONNECT", call.method, call.method]
    connect, first = (text for _, text in proxy.requests[:2])
    assert connect.startswith(b"CONNECT rack.example:443 HTTP/1.")
    assert b"authorization" not in connect.lower()
    assert b"Host: rack.example\r\n" in first
    assert first.startswith(f"{call.method} /v1/images".encode())


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("host", [HOST, PLAIN])
def test_a_proxy_that_refuses_connections_is_named(call: Call, host: str, ca_file: str) -> None:
    with (
        FaultServer(listening=False) as proxy,
        session(host, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
        pytest.raises(oxide.ApiConnectionError) as raised,
    ):
        call(client.api)
    assert raised.value.reason == (
        f"proxy {proxy.url}: cannot connect to 127.0.0.1 port {proxy.port}: Connection refused"
    )
    assert outcomes(raised.value) == ["not sent"] * 3


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    ("status", "tries"),
    [(407, 1), (403, 1), (400, 1), (204, 1), (302, 1), (500, 1), (429, 3), (502, 3), (503, 3), (504, 3)],
)
def test_a_refused_tunnel_is_retried_only_if_that_may_help(
    call: Call, status: int, tries: int, ca_file: str
) -> None:
    refusal = send(http_response(status, b"<html>", reason="Said The Proxy"))
    with (
        FaultServer(otherwise=[request, refusal]) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert proxy.methods() == ["CONNECT"] * tries
    assert raised.value.reason == f"proxy {proxy.url}: Tunnel connection failed: {status} Said The Proxy"
    assert raised.value.status is None
    assert outcomes(raised.value) == ["not sent"] * tries


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    "lost",
    [[request], [request, reset], [request, send(b"HTTP/1.1 2")], [request, send(b"HTTP/1.1 200 OK\r\nA")]],
    ids=["close", "reset", "cut-status", "cut-header"],
)
def test_a_connection_lost_while_a_tunnel_is_opened_is_retried(
    call: Call, lost: Script, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    tunnel: Script = [request, ESTABLISHED, handshake(rack_tls), request, good(call)]
    with (
        FaultServer(lost, lost, tunnel) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        call(client.api)
        assert proxy.methods() == ["CONNECT", "CONNECT", "CONNECT", call.method]
        assert [attempt.outcome for attempt in client.attempts] == ["not sent", "not sent", "answered"]


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    "script", [[stall], [request, stall], [request, send(b"HTTP/1.1 200 OK\r\n"), stall]]
)
def test_a_tunnel_that_stalls_fails_after_connect_timeout(call: Call, script: Script, ca_file: str) -> None:
    with (
        FaultServer(otherwise=script) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        call(client.api, _request_timeout=(0.05, None))
    assert raised.value.reason == f"proxy {proxy.url}: no connection within 0.05 s (connect_timeout=0.05)"
    assert outcomes(raised.value) == ["not sent"] * 3


DRIPS: dict[str, tuple[bytes, bytes]] = {
    "status-line": (b"", b"HTTP/1.1 200 " + b"x" * 100),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 30),
    "interim-responses": (b"", b"HTTP/1.1 103 Wait\r\n\r\n" * 20),
}


@pytest.mark.parametrize("limit", [0.2, (0.2, None)], ids=["whole", "connecting"])
@pytest.mark.parametrize("place", DRIPS)
def test_a_tunnel_that_opens_byte_by_byte_does_not_exceed_its_time_limit(
    place: str, limit: Any, ca_file: str
) -> None:
    head, tail = DRIPS[place]
    with (
        FaultServer([request, send(head), drip(tail)]) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file, max_retries=0) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        LIST(client.api, _request_timeout=limit)
    assert raised.value.outcome == "not sent"
    assert ("(timeout=0.2" if limit == 0.2 else "connect_timeout=") in str(raised.value.reason)


def test_tunnel_and_handshake_share_one_time_limit(ca_file: str) -> None:
    clock = FakeClock()
    tunnel: Script = [request, do(lambda: clock.tick(299.9)), ESTABLISHED, stall]
    with (
        FaultServer(tunnel) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file, clock=clock, connect_timeout=None) as client,
    ):
        # The elapsed time is simulated, but the remaining time is real.
        with pytest.raises(oxide.ApiTimeoutError, match=r" \(timeout="):
            LIST(client.api)
        assert proxy.methods() == ["CONNECT"]


@pytest.mark.parametrize("call", [LIST, CREATE], ids=repr)
@pytest.mark.parametrize(
    "said",
    [
        b"garbage\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 +200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 103 Wait\r\n\r\n" * 21,
        b"HTTP/1.1 200 " + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\n\r\n" + http_response(200, image("wrong")),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
    ],
    ids=["garbage", "http-2", "status", "101", "interim", "endless-line", "endless-header", "more", "body"],
)
def test_a_malformed_response_to_connect_is_an_error(call: Call, said: bytes, ca_file: str) -> None:
    with (
        FaultServer([request, send(said), stall]) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        with pytest.raises(oxide.ApiResponseError) as raised:
            call(client.api)
        assert proxy.connections == 1
    assert outcomes(raised.value) == ["not sent"]
    assert str(raised.value.reason).startswith(f"proxy {proxy.url}: malformed response: ")
    assert isinstance(raised.value.__cause__, http.client.HTTPException)


@pytest.mark.parametrize("call", [LIST, CREATE], ids=repr)
def test_a_failed_handshake_within_a_tunnel_is_not_retried(
    call: Call, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    tunnel: Script = [request, ESTABLISHED, handshake(server_tls)]
    with FaultServer(tunnel) as proxy, session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client:
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert proxy.connections == 1
    assert outcomes(raised.value) == ["not sent"]
    assert "certificate is not valid for 'rack.example'" in str(raised.value)
    assert str(raised.value.reason).startswith(f"proxy {proxy.url}: TLS: ")


@pytest.mark.parametrize("call", [LIST, CREATE], ids=repr)
def test_the_outcome_of_a_request_lost_within_a_tunnel_is_unknown(
    call: Call, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    tunnel: Script = [request, ESTABLISHED, handshake(rack_tls), request]
    with (
        FaultServer(otherwise=tunnel) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert proxy.methods() == ["CONNECT", call.method] * (3 if call is LIST else 1)
    assert raised.value.outcome == "unknown"
    assert "proxy" not in str(raised.value)


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_plain_http_is_forwarded(call: Call) -> None:
    script: Script = [request, good(call), request, good(call), stall]
    with FaultServer(script) as proxy, session(PLAIN, proxy=proxy.url) as client:
        call(client.api)
        call(client.api)
        assert proxy.connections == 1
    assert proxy.requests[0][1].startswith(f"{call.method} {PLAIN}/v1/images".encode())
    assert b"Host: 127.0.0.1:9\r\n" in proxy.requests[0][1]


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("status", [407, 502])
def test_a_refusal_by_a_forwarding_proxy_raises_the_error_of_its_status(call: Call, status: int) -> None:
    refusal = send(http_response(status, b"", "Connection: close"))
    with FaultServer(otherwise=[request, refusal]) as proxy, session(PLAIN, proxy=proxy.url) as client:
        with pytest.raises(oxide.ApiException) as raised:
            call(client.api)
        assert len(proxy.requests) == (3 if status == 502 and call.method == "GET" else 1)
    assert (raised.value.status, raised.value.outcome) == (status, "answered")


# From here on the proxy itself speaks TLS.


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("form", ["length", "chunked", "gzip", "close", "no-length"])
def test_calls_work_over_tls_within_tls(
    call: Call, form: str, server_tls: ssl.SSLContext, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    """This includes a response that ends the connection, which must stay open until the body has been read."""
    make: dict[str, Callable[[bytes], bytes]] = {
        "length": lambda body: http_response(call.status, body),
        "chunked": lambda body: chunked(body, size=5000, status=call.status),
        "gzip": lambda body: gzipped(body, status=call.status),
        "close": lambda body: http_response(call.status, body, "Connection: close"),
        "no-length": lambda body: http_response(call.status, body, length=False),
    }
    kept = form not in {"close", "no-length"}
    bodies = [call.body + b" " * size for size in ((0, 1, 20_000, 100_000) if call.body else (0,))]
    tunnel: Script = [request, ESTABLISHED, inner_handshake(rack_tls)]
    exchanges: list[Script] = [[request, send(make[form](body))] for body in bodies]
    scripts = [[*tunnel, *(step for steps in exchanges for step in steps)]]
    if not kept:
        scripts = [[*tunnel, *steps] for steps in exchanges]
    with (
        FaultServer(*scripts, tls=server_tls) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        for body in bodies:
            response = call(client.api, "_with_http_info")
            assert response.raw_data == (body if call.status != 204 else b"")
        assert proxy.connections == (
            1 if kept or (call.status == 204 and form == "no-length") else len(bodies)
        )


def test_plain_http_is_forwarded_over_tls(server_tls: ssl.SSLContext, ca_file: str) -> None:
    script: Script = [request, good(LIST), request, good(LIST), stall]
    with (
        FaultServer(script, tls=server_tls) as proxy,
        session(PLAIN, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        LIST(client.api)
        LIST(client.api)
        assert proxy.connections == 1
    assert proxy.requests[0][1].startswith(f"GET {PLAIN}/v1/images".encode())


@pytest.mark.parametrize("host", [HOST, PLAIN])
@pytest.mark.parametrize("call", [LIST, CREATE], ids=repr)
def test_the_certificate_of_a_proxy_is_checked(
    call: Call, host: str, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    with (
        FaultServer([], tls=rack_tls) as proxy,
        session(host, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert proxy.connections == 1
    assert "certificate is not valid for '127.0.0.1'" in str(raised.value)
    assert f"proxy {proxy.url}" in str(raised.value)
    assert outcomes(raised.value) == ["not sent"]


@pytest.mark.parametrize("limit", [0.2, (0.2, None)], ids=["whole", "connecting"])
@pytest.mark.parametrize("stalls", [True, False], ids=["stall", "drip"])
def test_a_handshake_within_tls_does_not_exceed_its_time_limit(
    stalls: bool, limit: Any, server_tls: ssl.SSLContext, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    inner = stall if stalls else inner_handshake(rack_tls, slow_handshake=True)
    with (
        FaultServer([request, ESTABLISHED, inner], tls=server_tls) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file, max_retries=0) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        LIST(client.api, _request_timeout=limit)
    assert raised.value.outcome == "not sent"
    assert ("(timeout=0.2" if limit == 0.2 else "connect_timeout=") in str(raised.value.reason)


@pytest.mark.parametrize("place", ["head", "body"])
def test_slow_records_within_tls_do_not_exceed_the_time_limit_of_the_call(
    place: str, server_tls: ssl.SSLContext, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    """Each byte comes in a record of its own, and is a whole read of the connection underneath."""
    slow = inner_handshake(rack_tls, slow_records=True)
    data = http_response(200, b" " * 4000) if place == "head" else chunked(b" " * 4000, size=4000)
    with (
        FaultServer([request, ESTABLISHED, slow, request, send(data)], tls=server_tls) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        LIST(client.api, _request_timeout=0.3)
    assert (raised.value.reason, raised.value.outcome) == (WHOLE, "unknown")


@pytest.mark.parametrize("behind", [http_response(200, image("wrong")), b"x"], ids=["response", "byte"])
@pytest.mark.parametrize("joined", [True, False], ids=["one-record", "two-records"])
def test_bytes_after_a_response_within_tls_are_not_read_as_the_next_one(
    behind: bytes, joined: bool, server_tls: ssl.SSLContext, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    """They wait in one of the two layers of TLS, where the operating system does not see them."""
    head, separator, body = http_response(404, b'{"message": "right"}').partition(b"\r\n\r\n")
    inner = inner_handshake(rack_tls)
    tunnel: Script = [request, ESTABLISHED, inner, request]
    pieces = [head + separator, body + behind] if joined else [head + separator, (body, behind)]
    with (
        FaultServer(
            [*tunnel, send_in_records(pieces), request, send(http_response(200, image("wrong"))), stall],
            [*tunnel, send(http_response(200, image("next"))), stall],
            tls=server_tls,
        ) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file) as client,
    ):
        with pytest.raises(oxide.NotFoundException, match="right"):
            VIEW(client.api)
        assert VIEW(client.api).name == "next"
        assert proxy.connections == 2


def send_in_records(pieces: list[Any]) -> Step:
    """Send each piece in one outer record, and each part of a piece in an inner record of its own."""

    def step(peer: Peer) -> None:
        inner: Any = peer.sock
        for piece in pieces:
            inner.send_together(*((piece,) if isinstance(piece, bytes) else piece))

    return step


def test_closing_the_client_wakes_a_thread_that_reads_within_tls(
    server_tls: ssl.SSLContext, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    part = http_response(200, image("open"))[:-9]
    clock = NoticedClock()
    with (
        FaultServer(
            [request, ESTABLISHED, inner_handshake(rack_tls), request, send(part), stall], tls=server_tls
        ) as proxy,
        session(HOST, proxy=proxy.url, ssl_ca_cert=ca_file, clock=clock) as client,
    ):
        close_under_a_reader(client, clock)
        assert client_sockets(proxy.port) == set()
