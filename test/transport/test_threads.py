"""One client for many threads: every response belongs to its request, and no needless connection is made."""

import logging
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import oxide
from oxide._identity.hosts import parse_host
from oxide._transport.exchange import Exchange, Limits
from oxide._transport.pool import close_pool, make_pool
from transport.calls import client_sockets, image_by_name, session
from transport.fault_server import FaultServer, Peer, chunked, gzipped, http_response, request, respond


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do the work in that many threads at once."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> Any:
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as executor:
        return list(executor.map(begin, range(count)))


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_64_threads_can_share_a_client(
    secure: bool, server_tls: ssl.SSLContext, ca_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    tls = server_tls if secure else None
    settings: dict[str, Any] = {"ssl_ca_cert": ca_file} if secure else {}
    with (
        FaultServer(otherwise=[respond(image_by_name)], tls=tls) as server,
        session(server.url, **settings) as client,
        caplog.at_level(logging.WARNING),
    ):

        def work(number: int) -> None:
            for turn in range(10):
                name = f"image-{number}-{turn}"
                assert client.api.image_view(name).name == name

        in_threads(64, work)
        made = server.connections
        assert made <= 64
        in_threads(made, work)
        # Each call found an idle connection.
        assert server.connections == made
        assert len(client_sockets(server.port)) == made
        assert len(server.requests) == 10 * (64 + made)
    assert caplog.records == []


def test_no_more_connections_are_kept_than_the_pool_holds(caplog: pytest.LogCaptureFixture) -> None:
    with (
        FaultServer(otherwise=[respond(image_by_name)]) as server,
        session(server.url, connection_pool_maxsize=3) as client,
        caplog.at_level(logging.WARNING),
    ):
        # All threads have a connection at the same time; surplus ones are closed when they are returned.
        barrier = threading.Barrier(12)

        def work(number: int) -> None:
            name = f"image-{number}"
            with client.api.image_view_without_preload_content(name) as response:
                barrier.wait(30)
                assert response.json()["name"] == name

        in_threads(12, work)
        assert server.connections == 12
        assert len(client_sockets(server.port)) == 3
        in_threads(3, lambda number: client.api.image_view(f"image-{number}"))
        assert server.connections == 12
    assert caplog.records == []


def test_responses_of_every_kind_belong_to_their_requests() -> None:
    """Some end their connection, some cannot be read, some are refusals; none belongs to another request."""
    kinds = ["length", "chunked", "gzip", "close", "cut", "garbage", "behind", "refused"]

    def serve(peer: Peer) -> None:
        while True:
            text = request(peer)
            good = image_by_name(text)
            name = text.split(b" ", 2)[1].rpartition(b"/")[2].decode()
            body = good.partition(b"\r\n\r\n")[2]
            kind = kinds[int(name.rpartition("-")[2]) % len(kinds)]
            responses = {
                "length": good,
                "chunked": chunked(body),
                "gzip": gzipped(body),
                "close": http_response(200, body, "Connection: close"),
                "cut": good[:-5],
                "garbage": b"garbage\r\n\r\n",
                "behind": good + good,
                "refused": http_response(404, b'{"message": "%b"}' % name.encode()),
            }
            peer.sock.sendall(responses[kind])
            if kind == "cut":
                return

    with FaultServer(otherwise=[serve]) as server, session(server.url, max_retries=0) as client:

        def work(number: int) -> None:
            for turn in range(16):
                name = f"image-{number}-{turn}"
                try:
                    assert client.api.image_view(name).name == name
                except oxide.NotFoundException as error:
                    assert error.message == name  # noqa: PT017 - one kind of many
                except (oxide.ApiResponseError, oxide.ApiConnectionError):
                    assert kinds[turn % len(kinds)] in {"garbage", "cut"}

        in_threads(16, work)


def test_the_body_of_a_response_can_be_read_in_another_thread() -> None:
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        responses = [client.api.image_view_without_preload_content(f"image-{number}") for number in range(8)]
        names = in_threads(8, lambda number: responses[number].json()["name"])
        for response in responses:
            response.close()
        assert names == [f"image-{number}" for number in range(8)]
        assert len(client_sockets(server.port)) == 8


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_urllib3_passes_each_exchange_to_the_connection_that_serves_it(
    secure: bool, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    """It does so before connecting, sending and receiving; all time limits rely on that."""
    with FaultServer(otherwise=[respond(image_by_name)], tls=server_tls if secure else None) as server:
        settings: dict[str, Any] = {"ssl_ca_cert": ca_file} if secure else {}
        configuration = oxide.Configuration(server.url, **settings)
        pool = make_pool(configuration, configuration._tls(), parse_host(configuration.host), None)
        for _ in range(2):
            exchange = Exchange(time.monotonic, None, Limits(connect=30, silence=30))
            options: dict[str, Any] = {
                "retries": False,
                "preload_content": False,
                "timeout": None,
                "pool_timeout": exchange,
            }
            response = pool.urlopen("GET", "/v1/images/a", **options)
            assert exchange.sent
            connection: Any = response.connection
            assert exchange.sock is connection.sock
            assert connection.timeout is None
            response.read()
            assert exchange.sock is None
        assert server.connections == 1
        close_pool(pool)
