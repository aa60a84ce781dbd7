"""Every failure is one exception of one class tree, with all its details."""

import copy
import errno
import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import oxide
from transport.calls import CALLS, LIST, TOKEN, VIEW, Call, session
from transport.fault_server import FaultServer, Script, chunked, http_response, request, reset, send, stall

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def same(one: BaseException, other: BaseException) -> None:
    """Check that two exceptions have the same content."""
    assert type(one) is type(other)
    assert one.args == other.args
    assert str(one) == str(other)
    assert repr(one) == repr(other)
    assert vars(one) == vars(other)


FAILURES: dict[str, tuple[Script, type[oxide.ApiException]]] = {
    "reset": ([request, reset], oxide.ApiConnectionError),
    "closed": ([request], oxide.ApiConnectionError),
    "cut": ([request, send(http_response(200, b"1234")[:-2])], oxide.ApiConnectionError),
    "cut-chunk": ([request, send(chunked(b"1234")[:-7])], oxide.ApiConnectionError),
    "cut-gzip": (
        [request, send(http_response(200, b"\x1f\x8b", "Content-Encoding: gzip"))],
        oxide.ApiConnectionError,
    ),
    "silent": ([request, stall], oxide.ApiTimeoutError),
    "silent-body": ([request, send(http_response(200, b"1234")[:-2]), stall], oxide.ApiTimeoutError),
    "garbage": ([request, send(b"garbage\r\n\r\n")], oxide.ApiResponseError),
    "no-gzip": ([request, send(http_response(200, b"{}", "Content-Encoding: gzip"))], oxide.ApiResponseError),
    "too-large": ([request, send(http_response(200, b" " * 2000))], oxide.ApiResponseError),
    "no-json": ([request, send(http_response(200, b"<html>"))], oxide.ApiResponseError),
    "wrong-json": ([request, send(http_response(200, b"{}"))], oxide.ApiResponseError),
    "not-found": (
        [
            request,
            send(http_response(404, b'{"message": "m", "error_code": "ObjectNotFound", "request_id": "r"}')),
        ],
        oxide.NotFoundException,
    ),
    "redirect": ([request, send(http_response(307, b"", "Location: /elsewhere"))], oxide.RedirectException),
    "teapot": ([request, send(http_response(418, b"\xff", "Retry-After: 3"))], oxide.ApiException),
}


def failure(what: str, call: Call = LIST) -> oxide.ApiException:
    """Return the exception of a call."""
    script, kind = FAILURES[what]
    silence = 0.1 if stall in script else 30
    with (
        FaultServer(script) as server,
        session(server.url, max_retries=0, max_response_bytes=1000) as client,
        pytest.raises(kind) as raised,
    ):
        call(client.api, _request_timeout=(30, silence))
    assert type(raised.value) is kind
    return raised.value


@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_has_at_most_one_cause_and_no_other_context(what: str) -> None:
    error = failure(what)
    cause = error.__cause__
    if cause is not None:
        assert type(cause).__module__.partition(".")[0] in {"builtins", "http", "ssl", "socket"}
        assert cause.__cause__ is None
        assert cause.__context__ is None
        # Its frames would hold the request, and the token.
        assert cause.__traceback__ is None
    assert error.__context__ in (None, cause)
    shown = "".join(traceback.format_exception(error))
    assert shown.count("direct cause") == (cause is not None)
    assert "During handling" not in shown
    assert "urllib3.exceptions" not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("reset", "Connection reset by peer"),
        ("closed", "the server closed the connection without a response"),
        ("cut", "the response was cut short"),
        ("cut-chunk", "the response was cut short"),
        ("cut-gzip", "the response was cut short"),
        ("silent", "no data for 0.1 s (read_timeout=0.1)"),
        ("garbage", "malformed response: status line b'garbage\\r\\n'"),
        ("too-large", "the response is larger than max_response_bytes (1000)"),
    ],
)
def test_a_failure_without_a_usable_response_says_what_happened(what: str, reason: str) -> None:
    assert failure(what).reason == reason


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_of_a_real_call_can_be_copied(what: str, how: str) -> None:
    error = failure(what)
    same(COPIES[how](error), error)


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("what", [what for what in FAILURES if what not in {"no-json", "wrong-json"}])
def test_a_failure_names_the_call(what: str, call: Call) -> None:
    error = failure(what, call)
    assert (error.operation, error.method) == (call.name, call.method)
    assert str(error.url).startswith("http://127.0.0.1:")
    assert "/v1/images" in str(error.url)
    assert [attempt.operation for attempt in error.attempts] == [call.name]
    assert error.attempts[0].outcome == error.outcome
    assert error.attempts[0].status == error.status
    assert f"({call.method} /v1/images" in str(error)
    assert TOKEN not in repr(vars(error))


REDIRECTS = {
    "https://rack.example/v1/images": "make it the host, with https://",
    "HTTPS://rack.example/": "make it the host, with https://",
    "http://login.example/?next=/v1/images": "ask to log in",
    "/login": "ask to log in",
    "": "ask to log in",
}


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_a_redirect_is_not_followed(call: Call, status: int) -> None:
    with FaultServer() as elsewhere:
        location = f"Location: {elsewhere.url}/v1/images"
        with (
            FaultServer([request, send(http_response(status, b"", location)), stall]) as server,
            session(server.url) as client,
        ):
            with pytest.raises(oxide.RedirectException) as raised:
                call(client.api)
            assert server.methods() == [call.method]
        assert elsewhere.connections == 0
    assert raised.value.location == f"{elsewhere.url}/v1/images"
    assert raised.value.status == status


@pytest.mark.parametrize("target", REDIRECTS)
def test_a_redirect_names_its_target_and_the_likely_cause(target: str) -> None:
    headers = [f"Location: {target}"] if target else []
    with (
        FaultServer([request, send(http_response(302, b"<html>", *headers))]) as server,
        session(server.url) as client,
        pytest.raises(oxide.RedirectException) as raised,
    ):
        client.api.image_list()
    assert raised.value.location == (target or None)
    assert (f"redirect to {target}" if target else "redirect without a target") in str(raised.value)
    assert REDIRECTS[target] in str(raised.value)
    assert "redirects are not followed" in str(raised.value)


def test_any_location_is_shown_on_one_line() -> None:
    location = "Location: http://x/\x85\xa0" + "y" * 5000
    with (
        FaultServer([request, send(http_response(302, b"", location))]) as server,
        session(server.url) as client,
        pytest.raises(oxide.RedirectException) as raised,
    ):
        client.api.image_list()
    assert len(str(raised.value)) < 1200
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("what", "number"),
    [("reset", errno.ECONNRESET), ("closed", None), ("silent", None)],
)
def test_a_failure_has_the_errno_and_text_of_its_cause(what: str, number: int | None) -> None:
    error: Any = failure(what)
    copied = pickle.loads(pickle.dumps(error))
    expected = None if number is None else os.strerror(number)
    for one in (error, copied, copy.copy(error)):
        assert (one.errno, one.strerror) == (number, expected)


def test_a_refused_connection_has_the_errno_of_its_cause() -> None:
    with (
        FaultServer(listening=False) as server,
        session(server.url, max_retries=0) as client,
        pytest.raises(oxide.ApiConnectionError) as raised,
    ):
        VIEW(client.api)
    assert raised.value.errno == errno.ECONNREFUSED
    assert raised.value.strerror == os.strerror(errno.ECONNREFUSED)
