"""A client releases its connections when it is closed, after an exception, and after Ctrl-C."""

import gc
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import oxide
from oxide._identity.hosts import parse_host
from oxide._transport.exchange import Exchange, Limits
from oxide._transport.pool import close_pool, make_pool
from transport.calls import (
    CALLS,
    CREATE,
    LIST,
    VIEW,
    Call,
    NoticedClock,
    client_sockets,
    close_under_a_reader,
    image,
    image_by_name,
    session,
)
from transport.fault_server import (
    FaultServer,
    Script,
    arrival,
    chunked,
    do,
    gzipped,
    http_response,
    request,
    respond,
    send,
    stall,
    until_released,
)
from transport.test_time import full_backlog

FORMS = ["", "_with_http_info", "_without_preload_content"]
# A call is interrupted at every n-th line; 1 tries every line and takes ten seconds.
STRIDE = 4


@pytest.mark.parametrize("ends", ["close", "with"])
def test_closing_a_client_closes_every_connection(ends: str) -> None:
    with FaultServer(otherwise=[respond(image_by_name)]) as server:
        client = oxide.ApiClient(oxide.Configuration(server.url))
        api = oxide.ImagesApi(client)
        opened = [api.image_view_without_preload_content(f"image-{number}") for number in range(5)]
        for response in opened:
            response.read()
            response.close()
        assert len(client_sockets(server.port)) == 5
        if ends == "close":
            client.close()
            client.close()
        else:
            with client as same:
                assert same is client
        assert client_sockets(server.port) == set()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_closed_client_makes_no_calls(call: Call, form: str) -> None:
    with FaultServer() as server, session(server.url) as client:
        client.api.api_client.close()
        with pytest.raises(oxide.ApiValueError, match="closed"):
            call(client.api, form)
        assert server.connections == 0


def test_a_call_under_way_continues_when_its_client_is_closed() -> None:
    arrived = threading.Event()
    script: Script = [request, do(arrived.set), until_released, send(http_response(200, VIEW.body)), stall]
    with FaultServer(script) as server, session(server.url) as client, ThreadPoolExecutor() as executor:
        result = executor.submit(VIEW, client.api)
        assert arrived.wait(30)
        client.api.api_client.close()
        assert len(client_sockets(server.port)) == 1
        server.released.set()
        assert result.result(30).name == "an-image"
        assert client_sockets(server.port) == set()


def test_a_call_is_not_retried_after_its_client_is_closed() -> None:
    with FaultServer([request], otherwise=[respond(image_by_name)]) as server:
        with (
            session(server.url, sleep=lambda _: client.api.api_client.close()) as client,
            pytest.raises(oxide.ApiValueError, match="closed during the call"),
        ):
            VIEW(client.api)
        assert server.connections == 1


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("reading", ["all", "some", "none"])
def test_an_open_response_closes_with_its_client(reading: str, framing: str) -> None:
    body = image("open") + b" " * 5000
    responses = {
        "length": http_response(200, body),
        "chunked": chunked(body),
        "close": http_response(200, body, "Connection: close", length=False),
    }
    with FaultServer([request, send(responses[framing])]) as server, session(server.url) as client:
        response = client.api.image_view_without_preload_content("open")
        if reading == "all":
            assert response.data == body
        elif reading == "some":
            assert response.read(1) == b"{"
        client.api.api_client.close()
        assert client_sockets(server.port) == set()
        if reading == "all":
            assert response.json()["name"] == "open"
        else:
            for read in (response.read, response.read1, response.json, lambda: next(response.stream())):
                with pytest.raises(oxide.ApiValueError, match="the response is closed, or its ApiClient is"):
                    read()
        response.close()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close", "gzip"])
def test_closing_the_client_wakes_a_thread_that_reads_a_response(
    framing: str, secure: bool, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    body = image("open") + b" " * 5000
    part = {
        "length": http_response(200, body)[:-9],
        "chunked": chunked(body)[:-9],
        "close": http_response(200, body, "Connection: close", length=False),
        "gzip": gzipped(body)[:-9],
    }[framing]
    settings: dict[str, Any] = {"ssl_ca_cert": ca_file} if secure else {}
    tls = server_tls if secure else None
    with FaultServer(otherwise=[request, send(part), stall], tls=tls) as server:
        for _ in range(10):
            clock = NoticedClock()
            with session(server.url, clock=clock, **settings) as client:
                close_under_a_reader(client, clock)
                assert client_sockets(server.port) == set()


@pytest.mark.parametrize("how", ["thread", "signal"])
def test_a_response_can_be_closed_while_it_is_read(how: str) -> None:
    """It is closed at the end of the current read, which then raises."""
    clock = NoticedClock()
    body = image("open") + b" " * 70_000
    script: Script = [request, send(http_response(200, body)[:-9]), until_released, send(body[-9:]), stall]
    with (
        FaultServer(script) as server,
        session(server.url, clock=clock) as client,
        ThreadPoolExecutor(1) as executor,
    ):
        response = client.api.image_view_without_preload_content("open")

        def close() -> None:
            response.close()
            server.released.set()

        if how == "thread":
            reading = executor.submit(response.read)
            assert clock.noticed.wait(30)
            close()
            with pytest.raises(oxide.ApiValueError, match="closed"):
                reading.result(30)
        else:
            before = signal.signal(signal.SIGALRM, lambda *_: close())
            clock.alarm = True
            with pytest.raises(oxide.ApiValueError, match="closed"):
                response.read()
            clock.alarm = False
            signal.signal(signal.SIGALRM, before)
        # It has still been read to its end.
        assert len(client_sockets(server.port)) == 1


def test_only_one_thread_reads_a_response_at_a_time() -> None:
    clock = NoticedClock()
    script: Script = [request, send(http_response(200, b" " * 70_000)[:-9]), stall]
    with (
        FaultServer(script) as server,
        session(server.url, clock=clock) as client,
        ThreadPoolExecutor(1) as executor,
    ):
        response = client.api.image_view_without_preload_content("open")
        reading = executor.submit(response.read)
        assert clock.noticed.wait(30)
        with pytest.raises(oxide.ApiValueError, match="is already being read"):
            response.read(1)
        client.api.api_client.close()
        with pytest.raises(oxide.ApiValueError, match="closed"):
            reading.result(30)


def test_a_response_that_arrives_after_its_client_was_closed_is_closed() -> None:
    """The error still has its status, since the server has acted."""
    script: Script = [
        request,
        do(lambda: client.api.api_client.close()),
        send(http_response(201, CREATE.body)),
    ]
    with FaultServer(script) as server, session(server.url) as client:
        response = CREATE(client.api, "_without_preload_content")
        assert response.status == 201
        with pytest.raises(oxide.ApiValueError, match="closed"):
            response.read()
        assert client_sockets(server.port) == set()


def test_closing_while_connections_are_returned_leaves_none_open() -> None:
    """A hundred races try both orders."""
    with FaultServer(otherwise=[respond(image_by_name)]) as server, ThreadPoolExecutor(4) as executor:
        for _ in range(100):
            client = oxide.ApiClient(oxide.Configuration(server.url))
            barrier = threading.Barrier(4)
            opened = [VIEW(oxide.ImagesApi(client), "_without_preload_content") for _ in range(3)]

            def give_back(response: oxide.RESTResponse, barrier: threading.Barrier = barrier) -> None:
                barrier.wait(30)
                with suppress(oxide.ApiValueError):
                    response.read()

            results = [executor.submit(give_back, response) for response in opened]
            barrier.wait(30)
            client.close()
            for result in results:
                result.result(30)
            assert client_sockets(server.port) == set()


def test_a_connection_returned_after_the_client_is_closed_is_closed() -> None:
    """Its thread found the pool open, but returns the connection after the pool has been emptied."""
    with FaultServer(otherwise=[respond(image_by_name)]) as server:
        configuration = oxide.Configuration(server.url)
        pool = make_pool(configuration, configuration._tls(), parse_host(configuration.host), None)
        idle: Any = pool.pool
        options: dict[str, Any] = {
            "retries": False,
            "preload_content": False,
            "timeout": None,
            "pool_timeout": Exchange(time.monotonic, None, Limits()),
        }
        response = pool.urlopen("GET", "/v1/images/a", **options)
        connection = response.connection
        close_pool(pool)
        assert len(client_sockets(server.port)) == 1
        idle.put(connection, block=False)
        response.close()
        assert client_sockets(server.port) == set()
        assert idle.qsize() == 0


def test_a_client_without_references_closes_its_connections() -> None:
    """Without a ResourceWarning, which would fail this test."""
    with FaultServer(otherwise=[respond(image_by_name)]) as server:
        api = oxide.ImagesApi(oxide.ApiClient(oxide.Configuration(server.url)))
        VIEW(api)
        assert len(client_sockets(server.port)) == 1
        del api
        gc.collect()
        assert client_sockets(server.port) == set()


BODIES: dict[str, bytes] = {
    "length": http_response(200, image("right") + b" " * 5000),
    "chunked": chunked(image("right") + b" " * 5000),
    "empty": http_response(200, b""),
    "refusal": http_response(404, b"no"),
    "no-content": http_response(204, length=False),
}
UNREAD = {"length", "chunked", "refusal"}


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("reading", ["all", "some", "none"])
@pytest.mark.parametrize("ending", ["with", "close", "release_conn", "collected"])
def test_an_open_response_returns_its_connection(what: str, reading: str, ending: str) -> None:
    """The connection is reused if the response was read to its end, and closed otherwise."""
    kept = reading == "all" or (what not in UNREAD and ending != "collected")
    if what == "refusal" and reading == "some":
        kept = False
    script: Script = [request, send(BODIES[what]), request, send(http_response(200, image("next"))), stall]
    other: Script = [request, send(http_response(200, image("next"))), stall]
    with FaultServer(script, other) as server, session(server.url) as client:
        response = LIST(client.api, "_without_preload_content")
        if reading == "all":
            response.read()
        elif reading == "some":
            response.read(1)
            kept = kept or (what not in UNREAD)
        if ending == "with":
            with response:
                pass
        elif ending != "collected":
            getattr(response, ending)()
            getattr(response, ending)()
            with pytest.raises(oxide.ApiValueError, match="closed"):
                response.read(1)
        del response
        gc.collect()
        assert len(client_sockets(server.port)) == (1 if kept else 0)
        assert VIEW(client.api).name == "next"
        assert server.connections == (1 if kept else 2)


def test_what_was_read_of_a_response_is_kept_after_it_is_closed() -> None:
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        with client.api.image_view_without_preload_content("right") as response:
            body = response.read()
        assert response.data == response.read() == body
        assert response.json()["name"] == "right"
        assert response.getheader("Content-Length") == str(len(body))
        assert response.getheader("X-None", "default") == "default"
        assert response.getheaders()["content-length"] == str(len(body))
        assert repr(response) == "<RESTResponse 200>"


def test_no_thread_is_started() -> None:
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        VIEW(client.api)
        before = set(threading.enumerate())
        for _ in range(3):
            VIEW(client.api)
            with suppress(oxide.ApiException):
                CREATE(client.api)
        assert set(threading.enumerate()) == before


AT_EXIT = """
import atexit, signal, sys, threading

own = []
def noting(name, function):
    def note(*arguments, **options):
        caller = sys._getframe(1).f_code.co_filename
        if "/oxide/" in caller or "/urllib3/" in caller:
            own.append((name, caller))
        return function(*arguments, **options)
    return note

atexit.register = noting("atexit", atexit.register)
threading._register_atexit = noting("threading", threading._register_atexit)
signal.signal = noting("signal", signal.signal)
threading.Thread.start = noting("thread", threading.Thread.start)

import oxide
client = oxide.ApiClient(oxide.Configuration(sys.argv[1], ssl_ca_cert=sys.argv[2]))
assert oxide.ImagesApi(client).image_view("right").name == "right"
print(own, threading.active_count())
"""


def test_nothing_is_registered_with_atexit(server_tls: Any, ca_file: str, tmp_path: Path) -> None:
    with FaultServer(otherwise=[respond(image_by_name)], tls=server_tls) as server:
        program = subprocess.run(
            [sys.executable, "-c", AT_EXIT, server.url, ca_file],
            check=False,
            cwd=tmp_path,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (program.stdout, program.stderr) == ("[] 1\n", "")


noticed = threading.Event()


def send_signal(number: signal.Signals) -> None:
    """Send a signal to the main thread, and again until its handler sets `noticed`.

    A signal that arrives just before a system call does not end the call.
    """
    noticed.clear()
    while True:
        signal.pthread_kill(threading.main_thread().ident or 0, number)
        if noticed.wait(2):
            return


def interrupt() -> None:
    """Press Ctrl-C."""
    send_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Make Ctrl-C raise, and say that it was noticed."""
    assert threading.current_thread() is threading.main_thread()

    def handler(*_: object) -> None:
        noticed.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    yield
    signal.signal(signal.SIGINT, before)


PLACES: dict[str, Script] = {
    "sending": [
        arrival,
        do(interrupt),
        until_released,
        request,
        send(http_response(200, image("wrong"))),
        stall,
    ],
    "waiting": [request, do(interrupt), until_released, send(http_response(200, image("wrong"))), stall],
    "head": [request, send(b"HTTP/1.1 200 OK\r\nA:"), do(interrupt), until_released, stall],
    "body": [request, send(http_response(200, image("wrong"))[:-5]), do(interrupt), until_released, stall],
    "chunk": [request, send(chunked(image("wrong"))[:-5]), do(interrupt), until_released, stall],
}


@pytest.mark.parametrize("call", [VIEW, CREATE], ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_ctrl_c_leaves_the_client_usable(place: str, call: Call) -> None:
    with (
        FaultServer(PLACES[place], otherwise=[respond(image_by_name)]) as server,
        session(server.url) as client,
    ):
        with pytest.raises(KeyboardInterrupt):
            call(client.api)
        assert client_sockets(server.port) == set()
        server.released.set()
        assert client.api.image_view("right").name == "right"
        assert server.connections == 2
        assert client.sleeps == []


def test_ctrl_c_while_connecting_leaves_the_client_usable() -> None:
    with full_backlog() as port, session(f"http://127.0.0.1:{port}") as client:
        # The one that filled the queue is still waiting.
        timer = threading.Thread(target=wait_for_connecting, args=(port, connecting(port), interrupt))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            VIEW(client.api, _request_timeout=30)
        timer.join()
        with pytest.raises(oxide.ApiTimeoutError):
            VIEW(client.api, _request_timeout=0.05)


def connecting(port: int) -> int:
    """Return how many connections to `port` are being made."""
    return Path("/proc/net/tcp").read_text().count(f"0100007F:{port:04X} 02")


def wait_for_connecting(port: int, before: int, then: Callable[[], None]) -> None:
    """Act once another connection to `port` is being made."""
    while connecting(port) == before:
        pass
    then()


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # Python leaves this one to the garbage collector
def test_ctrl_c_during_a_handshake_leaves_the_client_usable(server_tls: Any, ca_file: str) -> None:
    stalled: Script = [arrival, do(interrupt), until_released, stall]
    with FaultServer(
        stalled, otherwise=[lambda peer: peer.secure(server_tls), respond(image_by_name)]
    ) as server:
        url = server.url.replace("http:", "https:")
        with session(url, ssl_ca_cert=ca_file) as client:
            with pytest.raises(KeyboardInterrupt):
                VIEW(client.api)
            assert client_sockets(server.port) == set()
            assert client.api.image_view("right").name == "right"


def test_ctrl_c_during_backoff_leaves_the_client_usable() -> None:
    def pause(_: float) -> None:
        raise KeyboardInterrupt

    with (
        FaultServer([request], otherwise=[respond(image_by_name)]) as server,
        session(server.url, sleep=pause) as client,
    ):
        with pytest.raises(KeyboardInterrupt):
            VIEW(client.api)
        assert client.api.image_view("right").name == "right"


@pytest.mark.parametrize("part", [http_response(200, image("wrong"))[:-5], chunked(image("wrong"))[:-5]])
def test_ctrl_c_while_an_open_response_is_read_closes_it(part: bytes) -> None:
    script: Script = [request, send(part), until_released, do(interrupt), stall]
    with FaultServer(script, otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        response = VIEW(client.api, "_without_preload_content")
        server.released.set()
        with pytest.raises(KeyboardInterrupt):
            response.read()
        with pytest.raises(oxide.ApiValueError, match="closed"):
            response.read()
        assert client_sockets(server.port) == set()
        assert client.api.image_view("right").name == "right"


@cache
def is_among(path: str, files: tuple[str, ...]) -> bool:
    """Return whether a path has one of these parts."""
    return any(part in path for part in files)


class InterruptAt:
    """A trace function that raises KeyboardInterrupt at the n-th line of the code that makes a call."""

    FILES: tuple[str, ...] = ("/oxide/", "/urllib3/", "/http/client.py", "/socket.py")

    def __init__(self, lines: int) -> None:
        self.left = lines

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Trace the functions of these files, and no others."""
        return self.line if is_among(frame.f_code.co_filename, self.FILES) else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Count lines."""
        if event == "line":
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return self.line


@pytest.mark.long
@pytest.mark.parametrize("form", ["", "_without_preload_content"])
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # before anybody could have closed it
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)  # Ctrl-C in a finalizer: Python drops it, and since 3.13 says so
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_ctrl_c_at_any_line_leaves_the_client_usable(framing: str, form: str) -> None:
    """A later call gets its own response, at whichever line the call before it ended."""

    def make(text: bytes) -> bytes:
        good = image_by_name(text)
        body = good.partition(b"\r\n\r\n")[2]
        return {
            "length": good,
            "chunked": chunked(body, size=200),
            # This makes every call open a connection.
            "close": http_response(200, body, "Connection: close"),
        }[framing]

    with FaultServer(otherwise=[respond(make)]) as server, session(server.url) as client:
        view: Callable[[str], Any] = getattr(client.api, f"image_view{form}")
        interrupted = True
        lines = 0
        while interrupted:
            before = sys.gettrace()
            sys.settrace(InterruptAt(lines))
            try:
                result = view(f"interrupted-{lines}")
                if form:
                    with result:
                        result.read()
            except KeyboardInterrupt:
                pass
            else:
                interrupted = False
            finally:
                sys.settrace(before)
            result = None
            assert client.api.image_view(f"right-{lines}").name == f"right-{lines}"
            lines += STRIDE
        assert lines > 200
        gc.collect()
        assert len(client_sockets(server.port)) == (0 if framing == "close" else 1)
