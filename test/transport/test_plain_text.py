"""No frame below a call holds a token or a password in plain text, wherever the call is interrupted."""

import base64
import json
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest
from typing_extensions import override

import oxide
from transport.calls import CREATE, TOKEN, image_by_name, session
from transport.fault_server import (
    FaultServer,
    Peer,
    Script,
    handshake,
    inner_handshake,
    request,
    respond,
)
from transport.test_lifetime import InterruptAt
from transport.test_proxy_failures import ESTABLISHED, HOST, rack_tls

__all__ = ["rack_tls"]

PASSWORD = "password-of-the-tests"
BASIC = base64.b64encode(b"user:" + PASSWORD.encode()).decode()


def shown(frames: Iterator[FrameType]) -> list[str]:
    """Return which functions have a secret in their locals, printed as error reporters do."""
    found = []
    for frame in frames:
        if frame.f_globals.get("__name__", "").startswith("transport."):
            continue
        for name, value in frame.f_locals.items():
            ways = []
            for way in (repr, str, lambda value: json.dumps(value, default=repr, skipkeys=True)):
                # Even the `repr` of an object under construction may fail.
                with suppress(AttributeError, ValueError):
                    ways.append(way(value))
            if isinstance(value, (bytes, bytearray)):
                ways.append(value.decode("latin-1"))
            if any(secret in way for way in ways for secret in (TOKEN, PASSWORD, BASIC)):
                found.append(f"{frame.f_code.co_qualname}: {name}")
    return found


def of_traceback(error: BaseException | None) -> Iterator[FrameType]:
    """Yield the frames of an exception, and of those that it came from."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            yield traceback.tb_frame
            traceback = traceback.tb_next
        error = error.__context__


def of_thread(thread: threading.Thread) -> Iterator[FrameType]:
    """Yield the frames of a running thread, as a dump of its stack does."""
    frame = sys._current_frames()[thread.ident or 0]
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]


class InterruptNew(InterruptAt):
    """Raises KeyboardInterrupt at the first line below the engine that is not in `seen`, and adds it."""

    FILES: tuple[str, ...] = ("/oxide/_transport/", "/urllib3/", "/http/client.py", "/socket.py", "/ssl.py")

    def __init__(self, seen: set[tuple[str, int]]) -> None:
        super().__init__(0)
        self.seen = seen

    @override
    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        # Within it, two sockets own one descriptor for a moment: interrupted there, the second one to be closed may
        # close a descriptor that belongs to another socket by then.
        if frame.f_code.co_qualname == "SSLSocket._create":
            return None
        return super().__call__(frame, event, argument)

    @override
    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        place = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and self.left == 0 and place not in self.seen:
            self.seen.add(place)
            return super().line(frame, event, argument)
        return self.line


def interrupted(settings: dict[str, Any], seen: set[tuple[str, int]]) -> list[str] | None:
    """Interrupt a call at its first line that is not in `seen`, and return which functions show a secret then.

    None means that there was no such line.
    """
    interrupter = InterruptNew(seen)
    found: list[str] = []
    with session(**settings) as client:
        before = sys.gettrace()
        sys.settrace(interrupter)
        try:
            # In a generator: Python forgets with it which exception it was handling when it was interrupted.
            # Otherwise exceptions of later tests would have that one as their context.
            next(client.api.image_view(name, _headers={"Cookie": TOKEN}) for name in ["a"])
        except KeyboardInterrupt as error:
            sys.settrace(before)
            found = shown(of_traceback(error))
        finally:
            sys.settrace(before)
    return found if interrupter.left < 0 else None


PATHS = ["http", "https", "forwarded", "tunnel", "tls-in-tls"]


@pytest.mark.long
@pytest.mark.parametrize("paths", [["http", "https"], ["forwarded"], ["tunnel", "tls-in-tls"]], ids="-".join)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # before anybody could have closed it
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)  # Ctrl-C in a finalizer: Python drops it, and since 3.13 says so
def test_ctrl_c_at_any_line_reveals_no_secret_in_any_frame(
    paths: list[str], server_tls: ssl.SSLContext, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    found: set[str] = set()
    # With TLS, only the lines are new that a request without it does not reach.
    seen: set[tuple[str, int]] = set()
    for path in paths:
        with FaultServer(
            otherwise=script(path, rack_tls, respond(image_by_name)), tls=outer(path, server_tls)
        ) as server:
            while (functions := interrupted(settings(path, server.url, ca_file), seen)) is not None:
                found.update(functions)
    assert len(seen) > 200
    assert found == set()


@pytest.mark.parametrize("path", PATHS)
def test_a_stack_dump_of_a_sending_thread_reveals_no_secret(
    path: str, server_tls: ssl.SSLContext, rack_tls: ssl.SSLContext, ca_file: str
) -> None:
    """It blocks, since the server does not read and the request does not fit into the buffers."""
    arrived = threading.Event()

    def unread(peer: Peer) -> None:
        peer.sock.recv(1)
        arrived.set()
        assert peer.server.released.wait(30)

    with (
        FaultServer(script(path, rack_tls, unread), tls=outer(path, server_tls)) as server,
        session(**settings(path, server.url, ca_file)) as client,
    ):

        def call() -> None:
            with pytest.raises(oxide.ApiConnectionError):
                CREATE(client.api, _headers={"Cookie": TOKEN, "X": "x" * 2**23})

        thread = threading.Thread(target=call)
        thread.start()
        assert arrived.wait(30)
        # Wait until it is in the blocking system call.
        names: set[str] = set()
        while not names & {"_send_output", "send", "sendall"}:
            names = {frame.f_code.co_name for frame in of_thread(thread)}
        found = shown(of_thread(thread))
        server.released.set()
        thread.join(30)
    assert found == []


def script(path: str, rack_tls: ssl.SSLContext, then: Any) -> Script:
    """Return the script of a server that is reached in this way."""
    if path == "tunnel":
        return [request, ESTABLISHED, handshake(rack_tls), then]
    if path == "tls-in-tls":
        return [request, ESTABLISHED, inner_handshake(rack_tls), then]
    return [then]


def outer(path: str, server_tls: ssl.SSLContext) -> ssl.SSLContext | None:
    """Return the TLS that its connections begin with."""
    return server_tls if path in {"https", "tls-in-tls"} else None


def settings(path: str, url: str, ca_file: str) -> dict[str, Any]:
    """Return the settings of a client that reaches it in this way."""
    known: dict[str, Any] = {"url": url, "ssl_ca_cert": ca_file, "max_retries": 0}
    if path not in {"http", "https"}:
        known["proxy"] = url.replace("://", f"://user:{PASSWORD}@")
        known["url"] = "http://127.0.0.1:9" if path == "forwarded" else HOST
    return known
