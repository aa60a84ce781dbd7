"""After a fork, neither process reads the other's response or waits for the other's lock."""

import ctypes
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import oxide
from transport import fork_under_load
from transport.calls import NoticedClock, client_sockets, image, image_by_name, session
from transport.fault_server import (
    FaultServer,
    chunked,
    http_response,
    request,
    respond,
    send,
    stall,
    until_released,
)


@pytest.mark.long
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_forks_under_load_mix_up_no_responses(
    secure: bool, server_tls: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    tls = server_tls if secure else None
    with FaultServer(otherwise=[respond(image_by_name)], tls=tls) as server:
        program = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                "-m",
                fork_under_load.__name__,
                server.url,
                *([ca_file] * secure),
            ],
            check=False,
            cwd=tmp_path,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
            capture_output=True,
            text=True,
            timeout=fork_under_load.LIMIT + 20,
        )
        calls = len(server.requests)
    assert (program.returncode, program.stderr.strip()) == (0, "")
    children = fork_under_load.FORKS * 3 * fork_under_load.THREADS * fork_under_load.CALLS
    assert calls > children


def in_child(work: Callable[[], None], fork: Callable[[], int] = os.fork) -> int:
    """Run a function in a forked child, and return its exit status."""
    pid = fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


fork_with_threads = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


# Servers written in C call the system's fork, which Python does not see.
@pytest.mark.parametrize("fork", [os.fork, ctypes.PyDLL(None).fork], ids=["python", "system"])
@fork_with_threads
def test_a_child_makes_its_own_connections_and_drops_those_of_its_parent(fork: Callable[[], int]) -> None:
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        client.api.image_view("before")
        inherited = client_sockets(server.port)
        assert len(inherited) == 1

        def work() -> None:
            client.api.image_view("child")
            own = client_sockets(server.port)
            assert len(own) == 1
            client.api.api_client.close()
            assert client_sockets(server.port) == set()

        assert in_child(work, fork) == 0
        assert client.api.image_view("after").name == "after"
        assert server.connections == 2
        assert [number for number, _ in server.requests] == [1, 2, 1]


@fork_with_threads
def test_a_child_that_uses_an_open_response_does_not_disturb_its_parent() -> None:
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        response = client.api.image_view_without_preload_content("mine")

        def work() -> None:
            for read in (response.read, response.read1, response.json, lambda: response.data):
                with pytest.raises(oxide.ApiValueError, match="before a fork"):
                    read()
            with pytest.raises(oxide.ApiValueError, match="before a fork"):
                next(response.stream())
            response.close()

        assert in_child(work) == 0
        assert response.json()["name"] == "mine"
        response.close()
        assert client.api.image_view("after").name == "after"
        assert server.connections == 1


@fork_with_threads
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_child_can_close_a_response_that_a_thread_of_its_parent_was_reading(framing: str) -> None:
    """That thread holds the lock of the response, which nobody in the child ever releases."""
    part = {"length": http_response(200, image("mine"))[:-9], "chunked": chunked(image("mine"))[:-9]}[framing]
    clock = NoticedClock()
    with (
        FaultServer([request, send(part), until_released, send(b"x"), stall]) as server,
        session(server.url, clock=clock) as client,
        ThreadPoolExecutor(1) as executor,
    ):
        response = client.api.image_view_without_preload_content("mine")
        reading = executor.submit(response.read)
        assert clock.noticed.wait(30)

        def work() -> None:
            signal.alarm(30)
            with response, pytest.raises(oxide.ApiValueError, match="before a fork"):
                response.read()
            client.api.api_client.close()

        assert in_child(work) == 0
        assert not reading.done()
        client.api.api_client.close()
        with pytest.raises(oxide.ApiValueError, match="closed"):
            reading.result(30)


@fork_with_threads
def test_a_client_that_is_closed_before_a_fork_is_closed_after_it() -> None:
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        client.api.image_view("before")
        client.api.api_client.close()

        def work() -> None:
            with pytest.raises(oxide.ApiValueError, match="closed"):
                client.api.image_view("child")

        assert in_child(work) == 0
        assert server.connections == 1


@fork_with_threads
def test_after_a_fork_in_the_middle_of_a_call_both_processes_can_finish_it() -> None:
    """A token callable or a hook may fork; the child then continues in the middle of its parent's call."""
    children: list[int] = []

    def hook(attempt: oxide.Attempt) -> None:
        if not children:
            children.append(os.fork())

    with FaultServer([], otherwise=[respond(image_by_name)]) as server:
        with session(server.url, on_attempt=hook) as client:
            try:
                # The first attempt is lost; both sides make the second one.
                got = client.api.image_view("both").name
                if children == [0]:
                    os._exit(0 if got == "both" and client.api.image_view("more").name == "more" else 1)
            finally:
                if children == [0]:
                    os._exit(2)
            assert got == "both"
            assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
            assert client.api.image_view("more").name == "more"
        assert server.connections == 3


@fork_with_threads
def test_processes_with_the_same_pid_share_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is process 1 of its own namespace, like the programs of two containers."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        response = client.api.image_view_without_preload_content("mine")
        client.api.image_view("first")

        def work() -> None:
            with pytest.raises(oxide.ApiValueError, match="before a fork"):
                response.read()
            assert client.api.image_view("child").name == "child"

        assert in_child(work) == 0
        assert client.api.image_view("after").name == "after"
        assert response.json()["name"] == "mine"
        response.close()
        assert [number for number, _ in server.requests] == [1, 2, 3, 2]
