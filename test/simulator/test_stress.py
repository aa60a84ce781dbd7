"""A simulator under stress: resources run out, a database is locked, a process forks."""

import contextlib
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simulator_http import Caller, connected, raw_request, read_to_end

from oxide.testing import Drop, Fault, Simulator, _server
from oxide.testing._connection import Throttle
from oxide.testing._store import Store

NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@contextlib.contextmanager
def forked_child() -> Iterator[None]:
    """Fork a process that lives until the end of the block."""
    ready, told = os.pipe()
    ended, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        os.write(told, b"\0")
        os.read(ended, 1)
        os._exit(0)
    os.read(ready, 1)
    try:
        yield
    finally:
        os.close(end)
        os.waitpid(child, 0)
        for descriptor in (ready, told, ended):
            os.close(descriptor)


@NEEDS_FORK
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize(
    ("fault", "inherited"),
    [(Drop(), True), (Drop(during=0), True), (Drop(after_acting=True), True), (Drop(reset=True), False)],
)
def test_the_client_sees_a_dropped_connection_although_a_forked_child_exists(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, fault: Fault, inherited: bool
) -> None:
    """An orderly end is seen even if the child keeps the socket, and a reset because the child closes it."""
    if inherited:
        monkeypatch.setattr(_server, "_SERVERS", set())
    simulator.fail_next(fault, operation="image_list")
    with connected(simulator) as connection:
        # The connection has been accepted before the fork, so the child has it too.
        connection.sendall(raw_request(simulator, "GET /v1/images/x HTTP/1.1"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        with forked_child():
            connection.sendall(raw_request(simulator, "GET /v1/images HTTP/1.1"))
            if inherited:
                assert read_to_end(connection) == b""
            else:
                with pytest.raises(ConnectionResetError):
                    read_to_end(connection)


@NEEDS_FORK
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_port_is_free_after_stop_although_a_forked_child_exists() -> None:
    with Simulator() as simulator:
        port = int(simulator.url.rpartition(":")[2])
        with forked_child():
            simulator.stop()
            with Simulator(port=port) as again:
                assert again.url == f"http://127.0.0.1:{port}"


@NEEDS_FORK
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_can_call_the_simulator_of_its_parent(simulator: Simulator) -> None:
    simulator.create_image("a")
    child = os.fork()
    if child == 0:
        status = 0
        with contextlib.suppress(BaseException), contextlib.closing(Caller(simulator)) as call:
            status = call("GET", "/v1/images/a").status
        os._exit(0 if status == 200 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [request.status for request in simulator.requests] == [200]


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Simulator, sqlite3.Connection]]:
    """Run a simulator that does not wait for a lock, and return it with another connection to its database."""
    connect = sqlite3.connect

    def impatient(*arguments: Any, **options: Any) -> Any:
        return connect(*arguments, **{**options, "timeout": 0})

    monkeypatch.setattr(sqlite3, "connect", impatient)
    database = tmp_path / "state.db"
    with Simulator(database=database) as simulator, contextlib.closing(connect(database)) as other:
        yield simulator, other


def test_requests_to_a_locked_database_get_500(
    locked: tuple[Simulator, sqlite3.Connection], caplog: pytest.LogCaptureFixture
) -> None:
    simulator, other = locked
    with contextlib.closing(Caller(simulator)) as call:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            assert call("GET", "/v1/images").error == (500, "Internal", "Internal Server Error")
        other.rollback()
        assert call("GET", "/v1/images").status == 200
        # The user of the request is still known.
        assert {request.user for request in simulator.requests} == {"admin"}
    failures = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [(record.getMessage(), record.exc_info) for record in failures] == [
        ("the database of the simulator failed: database is locked", None)
    ] * 3


def test_requests_to_a_broken_database_get_500_and_the_simulator_stops(
    simulator: Simulator, call: Caller
) -> None:
    assert call("GET", "/v1/images").status == 200
    assert isinstance(simulator._store, Store)
    simulator._store.close()
    assert call("GET", "/v1/images").error == (500, "Internal", "Internal Server Error")
    assert simulator.requests[-1].user is None
    simulator.stop()


def test_if_a_thread_cannot_start_only_its_connection_ends(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = threading.Thread.start

    def refuse_once(thread: threading.Thread) -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    with connected(simulator) as unlucky:
        assert read_to_end(unlucky) == b""
    with contextlib.closing(Caller(simulator)) as call:
        assert call("GET", "/v1/images").status == 200
    simulator.stop()
    assert "a connection was closed: can't start new thread" in caplog.messages


def test_a_simulator_that_cannot_start_its_thread_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    simulator = Simulator()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            simulator.start()
    simulator.stop()
    with simulator:
        assert simulator.url


def test_stop_tolerates_a_connection_that_ended_by_itself(simulator: Simulator) -> None:
    for _ in range(3):
        with connected(simulator) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    simulator.stop()


def test_requests_that_are_not_http_are_logged_once_a_second_at_most(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    assert simulator._server
    simulator._server._shared.not_http = Throttle(1.0, lambda: now[0])
    with caplog.at_level("INFO", logger="oxide.testing"):
        for moment in (0.0, 0.0, 0.9, 1.0, 1.5, 5.0):
            now[0] = moment
            with connected(simulator) as connection:
                connection.sendall(b"garbage\r\n\r\n")
                assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")
    assert len(caplog.records) == 3
