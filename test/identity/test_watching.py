"""Logging, `on_attempt` and OpenTelemetry: what each shows of a call."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from transport.test_signals import alarm

import oxide
from identity.ask import ask
from oxide.testing import Answer, Drop, Fault, Simulator

FIELDS = {
    "oxide_operation", "oxide_method", "oxide_path", "oxide_number", "oxide_outcome", "oxide_status",
    "oxide_request_id", "oxide_error", "oxide_elapsed", "oxide_delay",
}  # fmt: skip


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Run a simulator with an image."""
    with Simulator() as simulator:
        simulator.create_image("debian-13")
        yield simulator


def view(simulator: Simulator, **settings: Any) -> None:
    """View an image with a clock that only sleeping advances."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    with oxide.ApiClient(
        simulator.configuration(**settings), clock=lambda: now, sleep=sleep, jitter=lambda: 1.0
    ) as client:
        oxide.ImagesApi(client).image_view("debian-13")


def test_each_attempt_logs_one_record(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG on the logger `oxide`, in words and as fields, and one at INFO for each retry."""
    caplog.set_level(logging.DEBUG, "oxide")
    simulator.fail_next(Answer(503))
    simulator.fail_next(Drop())
    view(simulator)
    records = [record for record in caplog.records if record.name == "oxide"]
    call = "image_view: GET /v1/images/debian-13"
    closed = "ApiConnectionError: the server closed the connection without a response"
    request_id = vars(records[-1])["oxide_request_id"]
    refused = f"{call}, attempt 1: 503 ServiceException: Service Unavailable in 0 ms"
    dropped = f"{call}, attempt 2: {closed} in 0 ms"
    assert [(record.levelno, record.getMessage()) for record in records] == [
        (logging.DEBUG, refused),
        (logging.INFO, f"{refused}, retrying in 0.50 s"),
        (logging.DEBUG, dropped),
        (logging.INFO, f"{dropped}, retrying in 1.00 s"),
        (logging.DEBUG, f"{call}, attempt 3: 200 in 0 ms, request id {request_id}"),
    ]
    assert str(UUID(request_id)) == request_id
    plain = set(vars(logging.makeLogRecord({})))
    assert all(
        {name for name in vars(record) if name not in plain} - {"message"} == FIELDS for record in records
    )
    values = [
        {name: value for name, value in vars(record).items() if name in FIELDS}
        for record in records
        if record.levelno == logging.DEBUG
    ]
    assert values[0] == {
        "oxide_operation": "image_view",
        "oxide_method": "GET",
        "oxide_path": "/v1/images/debian-13",
        "oxide_number": 1,
        "oxide_outcome": "answered",
        "oxide_status": 503,
        "oxide_request_id": None,
        "oxide_error": "ServiceException: Service Unavailable",
        "oxide_elapsed": 0.0,
        "oxide_delay": 0.5,
    }
    assert (values[1]["oxide_outcome"], values[1]["oxide_status"], values[1]["oxide_delay"]) == (
        "unknown",
        None,
        1.0,
    )
    assert (values[2]["oxide_error"], values[2]["oxide_delay"], values[2]["oxide_number"]) == (None, None, 3)


def test_the_query_is_not_logged(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """An allow-list decides what appears: the path does, page tokens and header values do not."""
    caplog.set_level(logging.DEBUG)
    with oxide.ApiClient(simulator.configuration()) as client:
        token = oxide.ImagesApi(client).image_list(limit=1).next_page
    caplog.clear()
    ask(simulator.configuration(), {"X-Key": "hunter2"}, page_token=token, limit=1)
    (record,) = (record for record in caplog.records if record.name == "oxide")
    assert vars(record)["oxide_path"] == "/v1/images"
    assert token is not None
    assert token not in repr(vars(record))
    assert "hunter2" not in repr(vars(record))


def test_each_retry_logs_one_record_at_info(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    simulator.fail_next(Answer(503), times=2)
    view(simulator)
    records = [record for record in caplog.records if record.name == "oxide"]
    assert [record.levelno for record in records] == [logging.INFO, logging.INFO]
    assert [record.getMessage().rpartition(", ")[2] for record in records] == [
        "retrying in 0.50 s",
        "retrying in 1.00 s",
    ]


def test_nothing_is_logged_above_info(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """Failures are exceptions, so they need no higher level."""
    caplog.set_level(logging.WARNING)
    simulator.fail_next(Answer(503))
    view(simulator)
    with pytest.raises(oxide.NotFoundException):
        ask(simulator.configuration(), project="no-such-project")
    assert [record for record in caplog.records if record.name == "oxide"] == []


def test_on_attempt_gets_the_same_attempts_as_the_error(simulator: Simulator) -> None:
    """The same frozen values feed the hook, the log and `attempts`."""
    simulator.fail_next(Answer(503), times=3)
    seen: list[oxide.Attempt] = []
    with pytest.raises(oxide.ServiceException) as caught:
        view(simulator, on_attempt=seen.append)
    assert tuple(seen) == caught.value.attempts
    assert [(attempt.number, attempt.status, attempt.delay) for attempt in seen] == [
        (1, 503, 0.5),
        (2, 503, 1.0),
        (3, 503, None),
    ]
    with pytest.raises(AttributeError):
        seen[0].status = 200  # type: ignore[misc]  # what is tested


def test_on_attempt_gets_successes_and_unread_responses(simulator: Simulator) -> None:
    """It is called once for each attempt, in every form of a method."""
    seen: list[oxide.Attempt] = []
    with oxide.ApiClient(simulator.configuration(on_attempt=seen.append)) as client:
        images = oxide.ImagesApi(client)
        images.image_view("debian-13")
        with images.image_view_without_preload_content("no-such-image") as response:
            assert response.status == 404
        last = images.image_view_with_http_info("debian-13")
    assert [(attempt.operation, attempt.number, attempt.status) for attempt in seen] == [
        ("image_view", 1, 200),
        ("image_view", 1, 404),
        ("image_view", 1, 200),
    ]
    assert seen[2].request_id == last.headers["x-request-id"]
    assert all(attempt.elapsed > 0 for attempt in seen)


@pytest.mark.parametrize(
    ("faults", "attempts"), [([], 1), ([Answer(503)], 2), ([Drop()], 2), ([Answer(404)], 1)], ids=repr
)
def test_an_exception_of_on_attempt_is_logged_and_the_call_continues(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, faults: list[Fault], attempts: int
) -> None:
    """Metrics must not break the program."""

    def broken(_: oxide.Attempt) -> None:
        message = "no metrics today"
        raise RuntimeError(message)

    for fault in faults:
        simulator.fail_next(fault)
    if faults == [Answer(404)]:
        with pytest.raises(oxide.NotFoundException) as caught:
            view(simulator, on_attempt=broken)
        assert caught.value.__context__ is None
    else:
        view(simulator, on_attempt=broken)
    records = [record for record in caplog.records if record.name == "oxide"]
    assert [(record.levelno, record.getMessage()) for record in records] == [
        (logging.ERROR, "on_attempt raised; the call continues")
    ] * attempts
    assert all(record.exc_info is not None and record.exc_info[0] is RuntimeError for record in records)


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_on_attempt_ends_the_call_and_leaves_the_client_usable(
    simulator: Simulator, exception: type[BaseException]
) -> None:
    """Ctrl-C is not an error of the hook."""

    def interrupted(attempt: oxide.Attempt) -> None:
        if len(simulator.requests) < 3:
            raise exception

    with oxide.ApiClient(simulator.configuration(on_attempt=interrupted)) as client:
        for _ in range(2):
            with pytest.raises(exception):
                oxide.ImagesApi(client).image_view("debian-13")
        assert oxide.ImagesApi(client).image_view("debian-13").name == "debian-13"


def test_an_alarm_of_the_program_in_on_attempt_passes_unchanged(simulator: Simulator) -> None:
    """It interrupts the hook and is not an error of the hook."""
    error = TimeoutError("the program's own")
    with alarm(error), pytest.raises(TimeoutError) as raised:
        view(simulator, on_attempt=lambda _: signal.raise_signal(signal.SIGALRM))
    assert raised.value is error


@contextmanager
def instrumented() -> Iterator[InMemorySpanExporter]:
    """Instrument urllib3 as a program does, and yield where the spans go."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor: Any = URLLib3Instrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield exporter
    finally:
        instrumentor.uninstrument()
        provider.shutdown()


def test_spans_that_capture_every_header_hold_no_token(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instrumentation has this option for a program's own headers."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST", ".*")
    with instrumented() as exporter:
        view(simulator)
    (span,) = exporter.get_finished_spans()
    assert "http.request.header.accept" in span.to_json()
    assert simulator.token not in span.to_json()


def test_opentelemetry_makes_one_span_for_each_request(simulator: Simulator) -> None:
    """Each attempt has one, the server gets the trace ID, and no span holds the token."""
    simulator.fail_next(Answer(503))
    with instrumented() as exporter:
        view(simulator)
    first, second = exporter.get_finished_spans()
    assert (first.name, second.name) == ("GET", "GET")
    codes = {
        span.attributes.get("http.status_code") for span in (first, second) if span.attributes is not None
    }
    assert codes == {503, 200}
    url = f"{simulator.url}/v1/images/debian-13"
    assert {span.attributes.get("http.url") for span in (first, second) if span.attributes is not None} == {
        url
    }
    for span, request in zip((first, second), simulator.requests, strict=True):
        context = span.get_span_context()
        assert context is not None
        assert f"{context.trace_id:032x}" in request.headers["traceparent"]
        assert simulator.token not in span.to_json()
