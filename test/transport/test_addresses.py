"""A name with several addresses: each address is tried, within its share of the time."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import oxide
from transport.calls import CALLS, LIST, Call, outcomes, session
from transport.fault_server import FaultServer, http_response, request, send
from transport.test_time import full_backlog


@contextmanager
def resolving(patch: pytest.MonkeyPatch, *found: Any) -> Iterator[list[str]]:
    """Make the system's resolver return these addresses or raise this; return the names that it was asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *options: Any) -> list[Any]:
        asked.append(host)
        if isinstance(found[0], BaseException):
            raise found[0]
        return list(found)

    with patch.context() as patched:
        patched.setattr(socket, "getaddrinfo", getaddrinfo)
        yield asked


def at(port: int, family: int = socket.AF_INET) -> tuple[Any, ...]:
    return (family, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_an_address_that_drops_packets_leaves_time_for_the_next_address(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        full_backlog() as silent,
        FaultServer([request, send(http_response(call.status, call.body))]) as server,
        session("http://localhost") as client,
        resolving(monkeypatch, at(silent), at(server.port)),
    ):
        call(client.api, _request_timeout=1.5)
        assert len(client.attempts) == 1


@pytest.mark.parametrize(
    "first", [at(1), at(1, family=200)], ids=["refuses", "of-a-family-that-this-machine-does-not-have"]
)
def test_after_an_address_that_cannot_be_reached_the_next_is_tried(
    first: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        FaultServer([request, send(http_response(200, LIST.body))]) as server,
        session("http://localhost") as client,
        resolving(monkeypatch, first, at(server.port)),
    ):
        LIST(client.api)
        assert len(client.attempts) == 1


def test_if_every_address_fails_the_last_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        session("http://localhost") as client,
        resolving(monkeypatch, at(1, family=200), at(1)),
        pytest.raises(oxide.ApiConnectionError) as raised,
    ):
        LIST(client.api)
    assert raised.value.reason == "cannot connect to localhost port 80: Connection refused"


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    ("problem", "tries", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), 1, ": Name or service not known"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), 3, ": Temporary failure"),
        (UnicodeError("label too long"), 1, ": it is not a host name"),
    ],
    ids=["unknown", "again", "no-name"],
)
def test_a_name_that_cannot_be_resolved_is_a_connection_error(
    call: Call, problem: Exception, tries: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session("http://localhost") as client, resolving(monkeypatch, problem) as asked:
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert asked == ["localhost"] * tries
    assert raised.value.reason == f"the name 'localhost' cannot be resolved{said}"
    assert outcomes(raised.value) == ["not sent"] * tries


@pytest.mark.parametrize(
    ("host", "resolve", "asked_for"),
    [
        ("rack.example", {}, "rack.example"),
        ("rack.example", {"RACK.example": "127.0.0.1"}, "127.0.0.1"),
        ("other.example", {"rack.example": "127.0.0.1"}, "other.example"),
    ],
)
def test_the_resolver_is_asked_for_the_name_of_the_host(
    host: str, resolve: dict[str, str], asked_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        FaultServer([request, send(http_response(200, LIST.body))]) as server,
        session(f"http://{host}", resolve=resolve, allow_http_token=True) as client,
        resolving(monkeypatch, at(server.port)) as asked,
    ):
        LIST(client.api)
    assert asked == [asked_for]
    assert f"Host: {host}\r\n".encode() in server.requests[0][1]
