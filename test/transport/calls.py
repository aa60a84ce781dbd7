"""Calls for the tests: the six operations with matching responses, and a client with a fake clock."""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from core_support import BY_NAME, IMAGE, NEW_IMAGE

import oxide
from transport.fault_server import Gone, http_response

TOKEN = "oxide-token-of-the-tests"
IMAGE_ID = UUID("11111111-2222-4333-8444-555555555555")


@dataclass(frozen=True)
class Call:
    """One operation, with arguments, and the response of a server that carries it out."""

    name: str
    method: str
    arguments: tuple[Any, ...]
    status: int
    body: bytes

    def __call__(self, api: oxide.ImagesApi, form: str = "", **options: Any) -> Any:
        """Make the call."""
        return getattr(api, self.name + form)(*self.arguments, **options)

    def __repr__(self) -> str:
        """Return the name, for the ID of a test."""
        return self.name


def image(name: str = "an-image") -> bytes:
    """Return an image as the server sends it."""
    return json.dumps({**IMAGE, "name": name}).encode()


def page(*names: str) -> bytes:
    """Return a page of images."""
    return json.dumps({"items": [{**IMAGE, "name": name} for name in names], "next_page": None}).encode()


def _call(name: str, *arguments: Any, body: bytes) -> Call:
    contract = BY_NAME[name]
    return Call(name, contract.method, arguments, contract.status, body)


CREATE = _call("image_create", NEW_IMAGE, "proj", body=image())
DELETE = _call("image_delete", IMAGE_ID, body=b"")
DEMOTE = _call("image_demote", IMAGE_ID, "proj", body=image())
LIST = _call("image_list", body=page("an-image"))
PROMOTE = _call("image_promote", IMAGE_ID, body=image())
VIEW = _call("image_view", IMAGE_ID, body=image())

READS = [LIST, VIEW]
WRITES = [CREATE, DELETE, DEMOTE, PROMOTE]
CALLS = [*READS, *WRITES]


def image_by_name(request: bytes) -> bytes:
    """Respond to a request for an image with one of the requested name."""
    name = request.split(b" ", 2)[1].rpartition(b"/")[2].decode()
    return http_response(200, image(name))


class FakeClock:
    """A clock that advances only on command."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._changed = threading.Condition()
        self._asked = self._stopped = False

    def __call__(self) -> float:
        """Return the time, in seconds."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()
            return self.now

    def advance(self, seconds: float) -> None:
        """Go on."""
        with self._changed:
            self.now += seconds

    def tick(self, seconds: float) -> None:
        """Advance once the client has read the clock again, as it does before it waits."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._asked or self._stopped, 30)
            if self._stopped:
                raise Gone
            self._asked = False
            self.now += seconds

    def stop(self) -> None:
        """Release everything that waits for the client."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


class NoticedClock(FakeClock):
    """A clock that notices its use in another thread; with `alarm`, its use in the main thread raises SIGALRM."""

    def __init__(self) -> None:
        super().__init__()
        self.noticed = threading.Event()
        self.alarm = False

    def __call__(self) -> float:
        """Return the time, in seconds."""
        if threading.current_thread() is not threading.main_thread():
            self.noticed.set()
        elif self.alarm:
            signal.raise_signal(signal.SIGALRM)
        return super().__call__()


@dataclass
class Session:
    """A client, with its attempts and its sleeps."""

    api: oxide.ImagesApi
    sleeps: list[float] = field(default_factory=list)
    attempts: list[oxide.Attempt] = field(default_factory=list)


@contextmanager
def session(
    url: str,
    *,
    clock: FakeClock | None = None,
    sleep: Callable[[float], object] | None = None,
    **settings: Any,
) -> Iterator[Session]:
    """Return a client that never sleeps and whose random number is always 1."""
    attempts: list[oxide.Attempt] = []
    sleeps: list[float] = []

    def pause(seconds: float) -> None:
        sleeps.append(seconds)
        if clock is not None:
            clock.advance(seconds)
        if sleep is not None:
            sleep(seconds)

    settings.setdefault("on_attempt", attempts.append)
    timing: dict[str, Any] = {} if clock is None else {"clock": clock}
    configuration = oxide.Configuration(url, access_token=TOKEN, **settings)
    with oxide.ApiClient(configuration, sleep=pause, jitter=lambda: 1.0, **timing) as client:
        try:
            yield Session(oxide.ImagesApi(client), sleeps, attempts)
        finally:
            if clock is not None:
                clock.stop()


def close_under_a_reader(client: Session, clock: NoticedClock) -> None:
    """Close a client while another thread reads a response, and check that the thread gets an error."""
    with ThreadPoolExecutor(1) as executor:
        response = client.api.image_view_without_preload_content("open")
        result = executor.submit(response.read)
        assert clock.noticed.wait(30)
        client.api.api_client.close()
        with pytest.raises(oxide.ApiValueError, match="the response is closed, or its ApiClient is"):
            result.result(30)


def outcomes(error: oxide.ApiException) -> list[str]:
    """Return the outcome of each attempt of a failed call."""
    return [attempt.outcome for attempt in error.attempts]


def open_sockets() -> set[int]:
    """Return the file descriptors of this process that are sockets."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            if str(link.readlink()).startswith("socket:"):
                found.add(int(link.name))
        except FileNotFoundError:
            continue
    return found


def client_sockets(port: int) -> set[int]:
    """Return the file descriptors of this process that are connections to a port of this machine."""
    found = set()
    for descriptor in open_sockets():
        try:
            with socket.socket(fileno=os.dup(descriptor)) as sock:
                if sock.getpeername()[1] == port:
                    found.add(descriptor)
        except OSError:
            continue
    return found
