"""A traceback shows the user's line and the public method, and no inner frames of the package."""

import functools
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import oxide
from oxide.testing import Answer, Delay, Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def frames(error: BaseException) -> list[str]:
    """Return the names of the functions in a traceback, without the test itself."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)][1:]


def images(simulator: Simulator, **settings: Any) -> oxide.ImagesApi:
    return oxide.ImagesApi(oxide.ApiClient(simulator.configuration(**settings)))


@pytest.mark.parametrize(
    "fault",
    [Answer(500), Answer(200, "not JSON"), Answer(200, "x" * 2000), Delay(60)],
    ids=["status", "no JSON", "size", "time"],
)
def test_the_traceback_of_a_failed_call_shows_only_the_public_method(
    simulator: Simulator, fault: Any
) -> None:
    api = images(simulator, max_response_bytes=1000)
    simulator.fail_next(fault)
    with pytest.raises(oxide.ApiException) as caught:
        api.image_list(_request_timeout=0.2)
    assert frames(caught.value) == ["image_list"]


def test_the_traceback_of_a_refused_argument_shows_only_the_public_method(simulator: Simulator) -> None:
    with pytest.raises(oxide.ApiValueError) as caught:
        images(simulator).image_view("Not a name")
    assert frames(caught.value) == ["image_view"]


def test_the_cause_is_kept_without_its_frames() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(oxide.ApiConnectionError) as caught:
        oxide.ImagesApi(oxide.ApiClient(oxide.Configuration(url, max_retries=0))).image_list()
    assert frames(caught.value) == ["image_list"]
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert caught.value.__cause__.__traceback__ is None


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: oxide.ApiClient("http://localhost"), ["<lambda>", "__init__"]),  # type: ignore[arg-type]  # wrong on purpose
        (
            lambda: oxide.ApiClient(oxide.Configuration(), "X-Name", "a\nb"),
            ["<lambda>", "__init__"],
        ),
        (
            lambda: oxide.ApiClient(oxide.Configuration()).set_default_header("X-Name", "a\nb"),
            ["<lambda>", "set_default_header"],
        ),
    ],
    ids=["object", "header", "set_default_header"],
)
def test_the_traceback_of_a_failed_constructor_shows_only_the_constructor(
    make: Callable[[], object], shown: list[str]
) -> None:
    with pytest.raises(oxide.OpenApiException) as caught:
        make()
    assert frames(caught.value) == shown


def failing_token() -> str:
    return nested_token()


def nested_token() -> str:
    try:
        return Path("/nonexistent/token").read_text()
    except OSError as error:
        message = "no token today"
        raise LookupError(message) from error


def test_an_exception_of_a_token_callable_keeps_its_frames_and_causes(simulator: Simulator) -> None:
    api = images(simulator, access_token=failing_token)
    with pytest.raises(LookupError) as caught:
        api.image_list()
    assert frames(caught.value)[-2:] == ["failing_token", "nested_token"]
    cause = caught.value.__cause__
    assert cause is not None
    assert traceback.extract_tb(cause.__traceback__)[0].name == "nested_token"
    assert len(traceback.extract_tb(cause.__traceback__)) > 1


def test_a_token_callable_of_the_standard_library_keeps_its_frames(simulator: Simulator) -> None:
    api = images(simulator, access_token=functools.partial(Path("/nonexistent/token").read_text))
    with pytest.raises(FileNotFoundError) as caught:
        api.image_list()
    assert "read_text" in frames(caught.value)


def test_a_call_inside_a_token_callable_shows_both_methods(simulator: Simulator) -> None:
    inner = images(simulator)

    def token() -> str:
        return inner.image_view("no-such-image").name

    with pytest.raises(oxide.NotFoundException) as caught:
        images(simulator, access_token=token).image_list()
    assert frames(caught.value) == ["image_list", "token", "image_view"]


def test_an_interrupt_shows_no_frames_of_the_package_or_the_standard_library(simulator: Simulator) -> None:
    api = images(simulator)
    simulator.fail_next(Delay(60))
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt) as caught, simulator_hit(simulator, main):
            api.image_list()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert frames(caught.value) == ["image_list", "interrupt"]


class simulator_hit:  # noqa: N801 - used like a function
    """Interrupts the thread `target` once the simulator has received a request."""

    def __init__(self, simulator: Simulator, target: int) -> None:
        self._simulator, self._target = simulator, target

    def __enter__(self) -> None:
        def wait_and_interrupt() -> None:
            while not self._simulator.requests:
                pass
            signal.pthread_kill(self._target, signal.SIGUSR1)

        self._thread = threading.Thread(target=wait_and_interrupt)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def test_a_bug_in_the_package_keeps_the_frames_that_lead_to_it(simulator: Simulator) -> None:
    def broken_clock() -> float:
        return 1 // 0

    api = oxide.ImagesApi(oxide.ApiClient(simulator.configuration(), clock=broken_clock))
    with pytest.raises(ZeroDivisionError) as caught:
        api.image_list()
    shown = frames(caught.value)
    assert shown[:2] == ["image_list", "_call"]
    assert shown[-1] == "broken_clock"
