"""Which requests are retried and which are not, as the server counts them."""

import errno
import socket
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
import urllib3

import oxide
from oxide._transport.http1 import Reader
from transport.calls import (
    CALLS,
    CREATE,
    DELETE,
    IMAGE_ID,
    LIST,
    READS,
    VIEW,
    WRITES,
    Call,
    FakeClock,
    outcomes,
    session,
)
from transport.fault_server import (
    FaultServer,
    Script,
    Step,
    always,
    arrival,
    chunked,
    gzipped,
    http_response,
    part_of_request,
    request,
    reset,
    send,
    stall,
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# The connection is lost without a response: the client cannot know whether the server acted.
LOST: dict[str, Script] = {
    "closed-before-reading": [arrival],
    "reset-before-reading": [arrival, reset],
    "reset-within-the-request": [part_of_request, reset],
    "closed-after-reading": [request],
    "reset-after-reading": [request, reset],
    "closed-after-an-interim-response": [request, send(CONTINUE)],
    "closed-within-an-interim-response": [request, send(CONTINUE[:-2])],
    "cut-in-the-status-line": [request, send(b"HTTP/1.1 204")],
    "cut-before-the-end-of-the-status-line": [request, send(b"HTTP/1.1 204 No Content\r")],
    "cut-in-a-header": [request, send(b"HTTP/1.1 204 No Content\r\nContent-Le")],
    "cut-between-headers": [request, send(b"HTTP/1.1 204 No Content\r\nA: b\r\n")],
    "reset-in-a-header": [request, send(b"HTTP/1.1 204 No Content\r\nContent-Le"), reset],
}


def good(call: Call) -> Step:
    """Respond as the service would."""
    return send(http_response(call.status, call.body))


# The response begins and is cut: the server has acted.
CUT: dict[str, Callable[[bytes], Script]] = {
    "length": lambda body: [send(http_response(200, body)[:-1])],
    "all-of-the-body": lambda body: [send(http_response(200, body)[: -len(body)])],
    "length-by-a-reset": lambda body: [send(http_response(200, body)[:-1]), reset],
    "within-a-chunk": lambda body: [send(chunked(body, size=len(body))[:-8])],
    "within-the-end-of-a-chunk": lambda body: [send(chunked(body)[:-6])],
    "within-a-chunk-size": lambda body: [send(chunked(body)[:-4])],
    "before-the-last-chunk": lambda body: [send(chunked(body)[:-5])],
    "within-the-trailer": lambda body: [send(chunked(body)[:-2])],
    "gzip-by-length": lambda body: [send(gzipped(body)[:-1])],
    "gzip-by-its-own-end": lambda body: [
        send(http_response(200, gzip_of(body)[:-1], "Content-Encoding: gzip", "Connection: close"))
    ],
}


def gzip_of(body: bytes) -> bytes:
    return gzipped(body).partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("call", READS, ids=repr)
@pytest.mark.parametrize("fault", LOST)
def test_a_read_is_retried_after_a_lost_connection(call: Call, fault: str) -> None:
    with (
        FaultServer(LOST[fault], LOST[fault], [request, good(call)]) as server,
        session(server.url) as client,
    ):
        call(client.api)
        assert server.connections == 3
        assert client.sleeps == [0.5, 1.0]
        assert [attempt.outcome for attempt in client.attempts] == ["unknown", "unknown", "answered"]
        assert [attempt.delay for attempt in client.attempts] == [0.5, 1.0, None]


@pytest.mark.parametrize("call", WRITES, ids=repr)
@pytest.mark.parametrize("fault", LOST)
def test_a_write_that_may_have_been_sent_is_not_retried(call: Call, fault: str) -> None:
    with FaultServer(LOST[fault], otherwise=[request, good(call)]) as server, session(server.url) as client:
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert server.connections == 1
        assert server.methods() in ([], [call.method])
        assert client.sleeps == []
    assert raised.value.outcome == "unknown"
    assert raised.value.status is None
    assert outcomes(raised.value) == ["unknown"]
    assert "the server may have acted" in str(raised.value)


@pytest.mark.parametrize("call", READS, ids=repr)
@pytest.mark.parametrize("fault", CUT)
def test_a_read_is_retried_after_a_truncated_response(call: Call, fault: str) -> None:
    script = [request, *CUT[fault](call.body)]
    with FaultServer(script, script, [request, good(call)]) as server, session(server.url) as client:
        call(client.api)
        assert server.methods() == ["GET"] * 3
        assert [attempt.outcome for attempt in client.attempts] == ["answered"] * 3
        assert [attempt.status for attempt in client.attempts] == [200] * 3


@pytest.mark.parametrize("call", [call for call in WRITES if call.body], ids=repr)
@pytest.mark.parametrize("fault", CUT)
def test_a_write_is_not_retried_after_a_truncated_response(call: Call, fault: str) -> None:
    script = [request, *CUT[fault](call.body)]
    with FaultServer(script, otherwise=[request, good(call)]) as server, session(server.url) as client:
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert server.methods() == [call.method]
    assert (raised.value.outcome, raised.value.status) == ("answered", 200)
    assert outcomes(raised.value) == ["answered"]


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_request_that_was_never_sent_is_retried(call: Call) -> None:
    """The server listens only after the second backoff."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            server.listen()

    with (
        FaultServer([request, good(call)], listening=False) as server,
        session(server.url, sleep=pause) as client,
    ):
        call(client.api)
        assert server.methods() == [call.method]
        assert [attempt.outcome for attempt in client.attempts] == ["not sent", "not sent", "answered"]


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_request_that_cannot_be_sent_fails_after_three_attempts(call: Call) -> None:
    with FaultServer(listening=False) as server, session(server.url) as client:
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert client.sleeps == [0.5, 1.0]
    error = raised.value
    assert error.outcome == "not sent"
    assert error.reason == f"cannot connect to 127.0.0.1 port {server.port}: Connection refused"
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert [(attempt.number, attempt.outcome, attempt.delay) for attempt in error.attempts] == [
        (1, "not sent", 0.5),
        (2, "not sent", 1.0),
        (3, "not sent", None),
    ]
    assert all(attempt.error == f"ApiConnectionError: {error.reason}" for attempt in error.attempts)
    assert all(attempt.operation == call.name and attempt.method == call.method for attempt in error.attempts)
    assert "3 attempts" in str(error)


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_an_address_that_refuses_leaves_time_for_the_next_address(call: Call) -> None:
    """`localhost` has two addresses here; the server has one of them."""
    addresses = {entry[4][0] for entry in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)}
    assert "127.0.0.1" in addresses
    with FaultServer([request, good(call)]) as server, session(f"http://localhost:{server.port}") as client:
        call(client.api)
        assert len(client.attempts) == 1


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_after_a_temporary_refusal_a_read_is_retried_and_a_write_is_not(call: Call, status: int) -> None:
    refusal = send(http_response(status, b'{"message": "later"}'))
    with (
        FaultServer([request, refusal, request, refusal, request, good(call), stall]) as server,
        session(server.url) as client,
    ):
        if call.method == "GET":
            call(client.api)
            assert server.methods() == ["GET"] * 3
            assert client.sleeps == [0.5, 1.0]
        else:
            with pytest.raises(oxide.ApiException) as raised:
                call(client.api)
            assert server.methods() == [call.method]
            assert (raised.value.status, raised.value.outcome) == (status, "answered")
            assert raised.value.message == "later"
        assert server.connections == 1


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    "status", [301, 400, 401, 403, 404, 405, 409, 418, 422, 500, 501, 505, 507, 599, 999]
)
def test_no_other_refusal_is_retried(call: Call, status: int) -> None:
    refusal = send(http_response(status, b'{"message": "no"}', "Retry-After: 1"))
    with FaultServer([request, refusal, stall]) as server, session(server.url) as client:
        with pytest.raises(oxide.ApiException) as raised:
            call(client.api)
        assert server.methods() == [call.method]
        assert client.sleeps == []
    assert raised.value.status == status
    assert len(raised.value.attempts) == 1
    assert raised.value.retry_after == 1


def test_the_last_refusal_is_raised() -> None:
    refusals = [send(http_response(status, b'{"message": "%d"}' % status)) for status in (429, 502, 503)]
    script = [step for refusal in refusals for step in (request, refusal)]
    with FaultServer([*script, stall]) as server, session(server.url) as client:
        with pytest.raises(oxide.ServiceException) as raised:
            client.api.image_list()
        assert server.connections == 1
    assert (raised.value.status, raised.value.message) == (503, "503")
    assert [attempt.status for attempt in raised.value.attempts] == [429, 502, 503]
    assert [attempt.delay for attempt in raised.value.attempts] == [0.5, 1.0, None]


@pytest.mark.parametrize(("max_retries", "tries"), [(0, 1), (1, 2), (5, 6)])
@pytest.mark.parametrize("setting", ["max_retries", "retries"])
def test_max_retries_counts_the_attempts_after_the_first(max_retries: int, tries: int, setting: str) -> None:
    settings: dict[str, Any] = {setting: max_retries}
    with (
        FaultServer(otherwise=[always(request, send(http_response(503)))]) as server,
        session(server.url, **settings) as client,
    ):
        with pytest.raises(oxide.ServiceException) as raised:
            client.api.image_list()
        assert len(server.requests) == tries
    assert len(raised.value.attempts) == tries


def test_retries_false_disables_retries() -> None:
    with (
        FaultServer(otherwise=[always(request, send(http_response(503)))]) as server,
        session(server.url, retries=False) as client,
    ):
        with pytest.raises(oxide.ServiceException):
            client.api.image_list()
        assert len(server.requests) == 1


NOW = "Date: Tue, 10 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("headers", "pause", "retry_after"),
    [
        ([], 0.5, None),
        (["Retry-After: 0"], 0.5, 0),
        (["Retry-After: 7"], 7, 7),
        (["Retry-After:   7  "], 7, 7),
        ([NOW, "Retry-After: Tue, 10 Nov 2026 12:00:42 GMT"], 42, 42),
        ([NOW, "Retry-After: Tuesday, 10-Nov-26 12:00:42 GMT"], 42, 42),
        ([NOW, "Retry-After: Tue Nov 10 12:00:42 2026"], 42, 42),
        ([NOW, "Retry-After: Mon, 09 Nov 2026 12:00:00 GMT"], 0.5, 0),
        (["Retry-After: Thu, 01 Jan 1970 00:00:00 GMT"], 0.5, 0),
        (["Retry-After: -5"], 0.5, None),
        (["Retry-After: 1.5"], 1.5, 1.5),
        (["Retry-After: +5"], 0.5, None),
        (["Retry-After: 0x10"], 0.5, None),
        (["Retry-After: \xb2"], 0.5, None),
        (["Retry-After: soon"], 0.5, None),
        (["Retry-After:"], 0.5, None),
        (["Retry-After: 1 Jan 99999999999999999999 00:00:00"], 0.5, None),
        (["Date: 1 Jan 99999999999999999999 00:00:00", "Retry-After: 7"], 7, 7),
        (["Retry-After: 7", "Retry-After: 8"], 8, 8),
        (["Retry-After: 7", "Retry-After: soon", "Retry-After: 3.25"], 7, 7),
        ([NOW, "Retry-After: 7", "Retry-After: Tue, 10 Nov 2026 12:00:42 GMT"], 42, 42),
    ],
)
def test_retry_after_makes_the_backoff_longer(
    status: int, headers: list[str], pause: float, retry_after: float | None
) -> None:
    refusal = send(http_response(status, b"", *headers))
    with (
        FaultServer([request, refusal, request, good(LIST), request, refusal, stall]) as server,
        session(server.url, clock=FakeClock(), max_retries=1) as client,
    ):
        client.api.image_list()
        assert client.sleeps == [pause]
        with pytest.raises(oxide.ApiException) as raised:
            client.api.image_promote(IMAGE_ID)
        assert client.sleeps == [pause]
    assert raised.value.status == status
    assert raised.value.retry_after == retry_after


@pytest.mark.parametrize("given", ["300", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
@pytest.mark.parametrize("timeout", [300, None])
def test_retry_after_beyond_the_deadline_raises_at_once(given: str, timeout: float | None) -> None:
    refusal = send(http_response(429, b"", f"Retry-After: {given}"))
    with (
        FaultServer([request, refusal], otherwise=[request, good(LIST)]) as server,
        session(server.url, clock=FakeClock(), timeout=timeout) as client,
    ):
        with pytest.raises(oxide.TooManyRequestsException) as raised:
            client.api.image_list()
        assert client.sleeps == []
        assert server.connections == 1
    assert raised.value.retry_after is not None
    assert raised.value.retry_after >= 300
    assert f"retry after {raised.value.retry_after:g} s" in str(raised.value)
    assert len(raised.value.attempts) == 1


def test_retry_after_just_within_the_deadline_is_waited_for() -> None:
    refusal = send(http_response(429, b"", "Retry-After: 299"))
    with (
        FaultServer([request, refusal, request, good(LIST), stall]) as server,
        session(server.url, clock=FakeClock()) as client,
    ):
        client.api.image_list()
        assert client.sleeps == [299]


def test_backoff_counts_towards_the_time_limit_of_the_call() -> None:
    """Two waits of 200 s do not fit into 300 s."""
    refusal = send(http_response(503, b"", "Retry-After: 200"))
    with (
        FaultServer([request, refusal, request, refusal, stall]) as server,
        session(server.url, clock=FakeClock(), max_retries=9) as client,
    ):
        with pytest.raises(oxide.ServiceException) as raised:
            client.api.image_list()
        assert client.sleeps == [200]
    assert len(raised.value.attempts) == 2


def test_backoff_grows_to_eight_seconds() -> None:
    with FaultServer(listening=False) as server, session(server.url, max_retries=7) as client:
        with pytest.raises(oxide.ApiConnectionError):
            client.api.image_list()
        assert client.sleeps == [0.5, 1, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("call", READS, ids=repr)
def test_an_unread_response_is_not_retried_once_its_headers_are_there(call: Call) -> None:
    refusal, cut = http_response(503, b"x", "X-Request-Id: one"), http_response(200, b"abc")[:-1]
    with (
        FaultServer([request, send(refusal), stall], [request, send(cut)]) as server,
        session(server.url) as client,
    ):
        with call(client.api, "_without_preload_content") as response:
            assert response.status == 200
            with pytest.raises(oxide.ApiConnectionError) as raised:
                response.read()
        assert server.methods() == ["GET", "GET"]
    assert raised.value.outcome == "answered"
    assert outcomes(raised.value) == ["answered", "answered"]
    assert raised.value.attempts[0].request_id == "one"
    assert raised.value.operation == call.name


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_an_unread_response_is_returned_whatever_its_status(call: Call) -> None:
    with (
        FaultServer(otherwise=[request, send(http_response(503, b"later")), stall]) as server,
        session(server.url) as client,
    ):
        with call(client.api, "_without_preload_content") as response:
            assert response.status == 503
            assert response.read() == b"later"
        assert len(server.requests) == (3 if call.method == "GET" else 1)


RETRY_READS = urllib3.Retry(3, status_forcelist=[500, 418], backoff_factor=0.1)


def test_a_urllib3_retry_sets_the_number_of_retries_and_the_backoff() -> None:
    with (
        FaultServer([always(request, send(http_response(500, b'{"message": "m"}')))]) as server,
        session(server.url, retries=RETRY_READS) as client,
    ):
        with pytest.raises(oxide.ServiceException) as raised:
            client.api.image_list()
        assert len(server.requests) == 4
        assert client.sleeps == pytest.approx([0, 0.2, 0.4])
    assert (raised.value.status, raised.value.message) == (500, "m")
    assert len(raised.value.attempts) == 4
    assert RETRY_READS.history == ()


@pytest.mark.parametrize(
    ("call", "methods", "requests"),
    [
        (VIEW, "default", 3),
        (CREATE, "default", 1),
        (DELETE, "default", 1),
        (VIEW, ["GET"], 3),
        (DELETE, ["GET"], 1),
        (DELETE, ["DELETE"], 3),
        (VIEW, ["DELETE"], 1),
        (CREATE, None, 3),
        (CREATE, ["GET", "POST"], 3),
    ],
)
@pytest.mark.parametrize("fault", ["lost", "status", "silent"])
def test_a_urllib3_retry_retries_a_write_only_if_it_says_so(
    call: Call, methods: list[str] | str | None, requests: int, fault: str
) -> None:
    allowed: dict[str, Any] = {} if methods == "default" else {"allowed_methods": methods}
    retry = urllib3.Retry(2, status_forcelist=[503], **allowed)
    scripts: dict[str, Script] = {
        "lost": [request],
        "status": [always(request, send(http_response(503)))],
        "silent": [request, stall],
    }
    with FaultServer(otherwise=scripts[fault]) as server, session(server.url, retries=retry) as client:
        with pytest.raises(oxide.ApiException) as raised:
            call(client.api, _request_timeout=(30, 0.05 if fault == "silent" else 30))
        # A silent server may not have read the request yet.
        assert len(server.requests) == requests or fault == "silent"
    assert len(raised.value.attempts) == requests


def test_the_outcome_is_unknown_if_any_attempt_was_sent() -> None:
    """This holds even if the last attempt was refused."""
    retry = urllib3.Retry(2, allowed_methods=["POST"])
    with (
        FaultServer([request]) as server,
        session(server.url, retries=retry, on_attempt=lambda _: server.refuse()) as client,
        pytest.raises(oxide.ApiConnectionError, match="the server may have acted") as raised,
    ):
        CREATE(client.api)
    assert raised.value.outcome == "unknown"
    assert outcomes(raised.value) == ["unknown", "not sent", "not sent"]


@pytest.mark.parametrize(("call", "tries"), [(VIEW, 3), (CREATE, 1)])
def test_a_connection_that_the_system_gives_up_is_a_lost_connection(
    call: Call, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TCP keep-alive does this after a minute, so the test raises the system's error itself."""

    def gone(*_: object) -> NoReturn:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    with FaultServer(otherwise=[request, stall]) as server, session(server.url) as client:
        monkeypatch.setattr(Reader, "readinto", gone)
        with pytest.raises(oxide.ApiTimeoutError, match="Connection timed out") as raised:
            call(client.api)
    assert outcomes(raised.value) == ["unknown"] * tries


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_urllib3_retry_retries_a_request_that_was_not_sent(call: Call) -> None:
    with (
        FaultServer(listening=False) as server,
        session(server.url, retries=urllib3.Retry(connect=4)) as client,
    ):
        with pytest.raises(oxide.ApiConnectionError):
            call(client.api)
        assert len(client.attempts) == 5


@pytest.mark.parametrize(
    "retry",
    [urllib3.Retry(total=False), urllib3.Retry(0), urllib3.Retry(connect=0), urllib3.Retry(connect=False)],
)
def test_a_urllib3_retry_can_disable_retries(retry: urllib3.Retry) -> None:
    with FaultServer(listening=False) as server, session(server.url, retries=retry) as client:
        with pytest.raises(oxide.ApiConnectionError):
            client.api.image_list()
        assert len(client.attempts) == 1


@pytest.mark.parametrize(("respects", "sleeps"), [(True, [7, 7]), (False, [0, 0])])
def test_a_urllib3_retry_says_whether_to_respect_retry_after(respects: bool, sleeps: list[float]) -> None:
    retry = urllib3.Retry(2, status_forcelist=[503], respect_retry_after_header=respects)
    with (
        FaultServer(otherwise=[always(request, send(http_response(503, b"", "Retry-After: 7")))]) as server,
        session(server.url, clock=FakeClock(), retries=retry) as client,
    ):
        with pytest.raises(oxide.ServiceException) as raised:
            client.api.image_list()
        assert client.sleeps == sleeps
    assert raised.value.retry_after == 7


def test_a_urllib3_retry_without_a_list_of_statuses_respects_retry_after() -> None:
    with (
        FaultServer(
            [request, send(http_response(413, b"", "Retry-After: 7")), request, good(LIST), stall]
        ) as server,
        session(server.url, clock=FakeClock(), retries=urllib3.Retry(1)) as client,
    ):
        client.api.image_list()
        assert client.sleeps == [7]


def test_a_urllib3_retry_stays_within_the_deadline() -> None:
    """Two waits of at least 120 s fit into 500 s."""
    retry = urllib3.Retry(None, connect=99, backoff_factor=60, status_forcelist=[500])
    with (
        FaultServer(listening=False) as server,
        session(server.url, clock=FakeClock(), retries=retry, timeout=500) as client,
    ):
        with pytest.raises(oxide.ApiConnectionError):
            client.api.image_list()
        assert client.sleeps == [0, 120, 120, 120, 120]


def test_a_urllib3_retry_does_not_follow_redirects() -> None:
    retry = urllib3.Retry(3, redirect=3, status_forcelist=[])
    with (
        FaultServer([request, send(http_response(302, b"", "Location: /other"))]) as server,
        session(server.url, retries=retry) as client,
    ):
        with pytest.raises(oxide.RedirectException):
            client.api.image_list()
        assert len(server.requests) == 1
