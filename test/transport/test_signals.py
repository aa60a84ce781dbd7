"""An exception of a signal handler passes through a call unchanged, even if it looks like a failed connection."""

import errno
import gc
import signal
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from transport.calls import CREATE, VIEW, Call, client_sockets, image_by_name, session
from transport.fault_server import (
    FaultServer,
    Peer,
    Script,
    arrival,
    do,
    http_response,
    part_of_request,
    request,
    respond,
    send,
    stall,
    until_released,
)
from transport.test_lifetime import connecting, noticed, send_signal, wait_for_connecting
from transport.test_time import full_backlog

ALARMS: dict[str, Callable[[], BaseException]] = {
    "timeout": lambda: TimeoutError("the program's own"),
    "plain-timeout": TimeoutError,
    "timed-out": lambda: TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
    "broken-pipe": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    "os-error": lambda: OSError("the program's own"),
    "tls": lambda: ssl.SSLEOFError(8, "EOF"),
}


@contextmanager
def alarm(error: BaseException, how: str = "function") -> Iterator[None]:
    """Make SIGALRM raise this, from one kind of handler or another."""

    def handler(number: int, frame: FrameType | None) -> None:
        noticed.set()
        raise error

    class Handler:
        def handle(self, *arguments: Any) -> None:
            noticed.set()
            raise error

    def in_generator(*arguments: Any) -> None:
        noticed.set()
        (_ for _ in ()).throw(error)

    handlers: dict[str, Any] = {
        "function": handler,
        "method": Handler().handle,
        "nested": lambda number, frame: handler(number, None),
        "generator": in_generator,
    }
    before = signal.signal(signal.SIGALRM, handlers[how])
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def ring() -> None:
    """Send the signal to the thread that makes the call."""
    send_signal(signal.SIGALRM)


PLACES: dict[str, Script] = {
    "sending": [part_of_request, do(ring), until_released, stall],
    "waiting": [request, do(ring), until_released, stall],
    "head": [request, send(b"HTTP/1.1 200 OK\r\nA:"), do(ring), until_released, stall],
    "body": [request, send(http_response(200, b"12345")[:-2]), do(ring), until_released, stall],
    "error-body": [request, send(http_response(404, b"12345")[:-2]), do(ring), until_released, stall],
}


@pytest.mark.parametrize("call", [VIEW, CREATE], ids=repr)
@pytest.mark.parametrize("what", ALARMS)
@pytest.mark.parametrize("place", PLACES)
def test_an_alarm_inside_a_call_passes_unchanged(place: str, what: str, call: Call) -> None:
    """It is neither swallowed nor turned into an exception of the package, and nothing is retried."""
    error = ALARMS[what]()
    huge = {"X": "x" * 2**22} if place == "sending" else {}
    with (
        alarm(error),
        FaultServer(PLACES[place], otherwise=[respond(image_by_name)]) as server,
        session(server.url) as client,
    ):
        with pytest.raises(type(error)) as raised:
            call(client.api, _headers=huge)
        assert raised.value is error
        assert client_sockets(server.port) == set()
        server.released.set()
        assert server.connections == 1
        assert client.sleeps == []
        assert client.api.image_view("right").name == "right"


@pytest.mark.parametrize("how", ["function", "method", "nested", "generator"])
def test_any_kind_of_signal_handler_is_recognized_by_its_frame(how: str) -> None:
    error = TimeoutError("the program's own")
    with (
        alarm(error, how),
        FaultServer(PLACES["waiting"]) as server,
        session(server.url) as client,
        pytest.raises(TimeoutError) as raised,
    ):
        VIEW(client.api)
    assert raised.value is error


def test_an_alarm_while_connecting_passes_unchanged() -> None:
    """The next address is not tried."""
    error = TimeoutError("the program's own")

    with alarm(error), full_backlog() as port, session(f"http://127.0.0.1:{port}") as client:
        # The one that filled the queue is still waiting.
        timer = threading.Thread(target=wait_for_connecting, args=(port, connecting(port), ring))
        timer.start()
        with pytest.raises(TimeoutError) as raised:
            VIEW(client.api, _request_timeout=30)
        timer.join()
    assert raised.value is error
    assert client.attempts == []


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # Python leaves this one to the garbage collector
def test_an_alarm_during_a_handshake_passes_unchanged(server_tls: ssl.SSLContext, ca_file: str) -> None:
    error = TimeoutError("the program's own")
    with (
        alarm(error),
        FaultServer([arrival, do(ring), until_released]) as server,
        session(server.url.replace("http:", "https:"), ssl_ca_cert=ca_file) as client,
    ):
        with pytest.raises(TimeoutError) as raised:
            VIEW(client.api)
        server.released.set()
        assert server.connections == 1
    assert raised.value is error
    gc.collect()


def test_an_alarm_while_an_open_response_is_read_passes_unchanged() -> None:
    error = TimeoutError("the program's own")
    script: Script = [request, send(http_response(200, b"12345")[:-2]), until_released, do(ring), stall]
    with alarm(error), FaultServer(script) as server, session(server.url) as client:
        response = VIEW(client.api, "_without_preload_content")
        server.released.set()
        with pytest.raises(TimeoutError) as raised:
            response.read()
        assert client_sockets(server.port) == set()
    assert raised.value is error


class RingAt:
    """A trace function that raises a signal at the n-th line of the code that makes a call."""

    FILES = ("/oxide/", "/urllib3/", "/http/client.py", "/socket.py")
    # Code that runs in finalizers, whose exceptions Python ignores.
    EXCEPT = ("close", "closed", "flush", "isclosed")

    def __init__(self, lines: int) -> None:
        self.left = lines

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Trace the functions of these files, and no others."""
        code = frame.f_code
        is_traced = any(part in code.co_filename for part in self.FILES) and code.co_name not in self.EXCEPT
        return self.line if is_traced else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Count lines."""
        if event == "line":
            self.left -= 1
            if self.left == -1:
                signal.raise_signal(signal.SIGALRM)
        return self.line


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # before anybody could have closed it
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)  # in the finalizer of what was interrupted in its constructor, such as `SocketIO`
def test_an_alarm_at_any_line_passes_unchanged_and_causes_no_retry() -> None:
    def serve(peer: Peer) -> None:
        # This makes every call open a connection.
        text = request(peer)
        peer.sock.sendall(image_by_name(text).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    swallowed = []
    with FaultServer(otherwise=[serve]) as server, session(server.url) as client:
        lines, rung = 0, True
        while rung:
            error = TimeoutError(f"the program's own at line {lines}")
            ringer = RingAt(lines)
            before = sys.gettrace()
            with alarm(error):
                sys.settrace(ringer)
                try:
                    # In a generator, which takes along what Python believes to be handling when it is interrupted at
                    # an `except`; a later test would have that for a context.
                    next(client.api.image_view(name) for name in [f"rung-{lines}"])
                except TimeoutError as raised:
                    assert raised is error  # noqa: PT017 - which may not be raised at all
                else:
                    swallowed += [lines] * (ringer.left < 0)
                    rung = ringer.left < 0
                finally:
                    sys.settrace(before)
            lines += 5
    assert lines > 200
    assert set(Counter(text for _, text in server.requests).values()) == {1}
    assert swallowed == []
