"""Idle connections: unexpected bytes on them, keep-alive timeouts, and connections that are dead."""

import select
import socket

import pytest

from transport.calls import CALLS, WRITES, Call, FakeClock, client_sockets, session
from transport.fault_server import (
    FaultServer,
    Script,
    chunked,
    http_response,
    request,
    send,
    stall,
    until_released,
)

TOO_LATE = http_response(408, b"no request came", "Connection: close")


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("ends", [True, False])
def test_a_response_that_arrived_on_an_idle_connection_is_not_used(call: Call, ends: bool) -> None:
    """An example is the 408 of a server that has waited long enough."""
    good = send(http_response(call.status, call.body))
    script: Script = [request, good, until_released, send(TOO_LATE), *([] if ends else [stall])]
    with FaultServer(script, [request, good, stall]) as server, session(server.url) as client:
        call(client.api)
        (waiting,) = client_sockets(server.port)
        server.released.set()
        with socket.socket(fileno=waiting) as sock:
            assert select.select([sock], [], [], 30)[0]
            sock.detach()
        call(client.api)
        assert server.methods() == [call.method] * 2
        assert len(client.attempts) == 2
        assert server.connections == 2


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    ("hint", "idle", "kept"),
    [
        ("timeout=5", 3.9, True),
        ("timeout=5", 4.1, False),
        ("timeout=5, max=100", 4.1, False),
        ("max=100, Timeout = 5", 4.1, False),
        ("timeout=1", 0.4, True),
        ("timeout=1", 0.6, False),
        ("timeout=0", 0.0, False),
        ("timeout=600", 590, True),
        ("max=100", 1e6, True),
        ("timeout=soon", 1e6, True),
        ("", 1e6, True),
    ],
)
def test_a_connection_that_its_server_is_about_to_close_is_not_used(
    call: Call, hint: str, idle: float, kept: bool
) -> None:
    clock = FakeClock()
    headers = [f"Keep-Alive: {hint}"] if hint else []
    good = http_response(call.status, call.body, *headers)
    with (
        FaultServer(
            [request, send(good), request, send(good), stall], [request, send(good), stall]
        ) as server,
        session(server.url, clock=clock, timeout=None) as client,
    ):
        call(client.api)
        clock.advance(idle)
        call(client.api)
        assert server.connections == (1 if kept else 2)


def test_the_keep_alive_timeout_starts_when_the_response_has_been_read() -> None:
    clock = FakeClock()
    good = chunked(b"{}", "Keep-Alive: timeout=5")
    with (
        FaultServer([request, send(good), request, send(good), stall]) as server,
        session(server.url, clock=clock) as client,
    ):
        for _ in range(2):
            with client.api.image_list_without_preload_content() as response:
                clock.advance(60)
                assert response.read() == b"{}"
            clock.advance(3.9)
        assert server.connections == 1


def test_only_connections_about_to_be_closed_are_skipped() -> None:
    clock = FakeClock()
    script: Script = [request, send(http_response(200, b"{}", "Keep-Alive: timeout=5")), stall]
    other: Script = [
        request,
        send(http_response(200, b"{}")),
        request,
        send(http_response(200, b"{}")),
        stall,
    ]
    with FaultServer(other, script) as server, session(server.url, clock=clock) as client:
        opened = [client.api.image_list_without_preload_content() for _ in range(2)]
        for response in opened:
            response.read()
            response.close()
        clock.advance(10)
        with client.api.image_list_without_preload_content() as response:
            response.read()
        assert server.connections == 2
        assert len(client_sockets(server.port)) == 1


@pytest.mark.parametrize("call", [*WRITES[:1], CALLS[0]], ids=repr)
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
def test_sent_data_must_be_acknowledged_within_30_seconds(call: Call) -> None:
    """Otherwise the network has lost the connection, and a write would wait for the time limit of its call."""
    with (
        FaultServer([request, send(http_response(call.status, call.body)), stall]) as server,
        session(server.url) as client,
    ):
        call(client.api)
        (descriptor,) = client_sockets(server.port)
        with socket.socket(fileno=descriptor) as sock:
            limit = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            sock.detach()
    assert limit == 30_000


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
def test_socket_options_of_the_program_are_applied_last() -> None:
    own = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
    with (
        FaultServer([request, send(http_response(200, b"{}")), stall]) as server,
        session(server.url, socket_options=[own]) as client,
        client.api.image_list_without_preload_content(),
    ):
        (descriptor,) = client_sockets(server.port)
        with socket.socket(fileno=descriptor) as sock:
            limit = sock.getsockopt(*own[:2])
            sock.detach()
    assert limit == 5000
