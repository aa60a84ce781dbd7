"""An error says whether the server may have acted, and whether calling again is safe and may help."""

import copy
import pickle
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from core_support import BY_NAME, CONTRACTS, Contract, Scene, method_of, open_scene
from hypothesis import given
from hypothesis import strategies as st

import oxide
from oxide.testing import Delay, Drop, Truncate

OF_EACH_OPERATION = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
REFUSALS = [300, 302, 304, 400, 401, 403, 404, 405, 409, 413, 418, 422, 425, 429, 451, 499]
PASSING = [408, 425, 429, 502, 503, 504, 520, 521, 522, 523, 524, 530]
FAILURES = [408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530, 599]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


def error_of(scene: Scene, contract: Contract, **options: Any) -> oxide.ApiException:
    """Return the error of a call without retries; its copy and its pickle must agree."""
    configuration = scene.simulator.configuration(max_retries=0)
    with oxide.ApiClient(configuration) as client, pytest.raises(oxide.ApiException) as caught:
        method_of(client, contract.name)(**contract.arguments, **options)
    scene.simulator.clear_faults()
    error = caught.value
    for clone in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (clone.may_have_acted, clone.retryable) == (error.may_have_acted, error.retryable)
        assert str(clone) == str(error)
    assert not (error.may_have_acted and error.retryable)
    assert ("the server may have acted" in str(error)) is error.may_have_acted
    return error


@OF_EACH_OPERATION
def test_a_refusal_means_that_the_server_has_not_acted(scene: Scene, contract: Contract) -> None:
    for status in REFUSALS:
        scene.respond_with(status, {"message": "no"} if status != 304 else b"")
        error = error_of(scene, contract)
        assert (error.status, error.may_have_acted) == (status, False)
        assert error.retryable is (status in {425, 429})


@OF_EACH_OPERATION
def test_after_a_server_or_gateway_error_a_write_may_have_acted_and_a_read_has_not(
    scene: Scene, contract: Contract
) -> None:
    for status in FAILURES:
        scene.respond_with(status, b"<html>")
        error = error_of(scene, contract)
        assert (error.status, error.outcome) == (status, "answered")
        assert error.may_have_acted is (contract.method != "GET")
        assert error.retryable is (contract.method == "GET" and status in PASSING)


@OF_EACH_OPERATION
@pytest.mark.parametrize("fault", [Drop(), Delay(60)], ids=["dropped", "no response in time"])
def test_without_a_response_a_write_may_have_acted_and_a_read_has_not(
    scene: Scene, contract: Contract, fault: Any
) -> None:
    scene.simulator.fail_next(fault)
    error = error_of(scene, contract, _request_timeout=0.2)
    assert error.outcome == "unknown"
    assert error.may_have_acted is (contract.method != "GET")
    assert error.retryable is (contract.method == "GET")


@OF_EACH_OPERATION
def test_after_an_unreadable_success_a_write_has_acted_and_a_read_has_not(
    scene: Scene, contract: Contract
) -> None:
    scene.respond_with(200, "<html>log in</html>", content_type="text/html")
    error = error_of(scene, contract)
    assert isinstance(error, oxide.ApiResponseError)
    assert error.may_have_acted is (contract.method != "GET")
    assert not error.retryable


def test_a_read_with_a_truncated_response_may_be_retried(scene: Scene) -> None:
    scene.simulator.fail_next(Truncate(10))
    client = oxide.ApiClient(scene.simulator.configuration(max_retries=0))
    with client, pytest.raises(oxide.ApiConnectionError) as caught:
        oxide.ImagesApi(client).image_list(project="my-project")
    assert (caught.value.status, caught.value.may_have_acted, caught.value.retryable) == (200, False, True)


@OF_EACH_OPERATION
def test_a_request_that_was_never_sent_has_not_acted_and_may_be_retried(contract: Contract) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        configuration = oxide.Configuration(f"http://127.0.0.1:{closed.getsockname()[1]}", max_retries=0)
        with oxide.ApiClient(configuration) as client, pytest.raises(oxide.ApiConnectionError) as caught:
            method_of(client, contract.name)(**contract.arguments)
    error = caught.value
    assert (error.outcome, error.may_have_acted, error.retryable) == ("not sent", False, True)
    assert isinstance(error.__cause__, OSError)
    restored = pickle.loads(pickle.dumps(error))
    assert (restored.errno, restored.strerror) == (error.errno, error.strerror)


def test_a_refused_certificate_is_not_worth_a_retry(scene: Scene) -> None:
    secure = scene.simulator.url.replace("http:", "https:")
    configuration = oxide.Configuration(secure, ssl_context=ssl.create_default_context(), max_retries=0)
    with oxide.ApiClient(configuration) as client, pytest.raises(oxide.ApiConnectionError) as caught:
        oxide.ImagesApi(client).image_delete("my-image")
    assert (caught.value.may_have_acted, caught.value.retryable) == (False, False)


def test_an_earlier_attempt_with_an_unknown_outcome_may_have_acted(scene: Scene) -> None:
    """The second DELETE finds nothing, because the first one has deleted the image."""
    first = oxide.Attempt("image_delete", "DELETE", "/", 1, "unknown", None, None, None, 0.1, 0.5)
    second = oxide.Attempt("image_delete", "DELETE", "/", 2, "answered", 404, None, None, 0.1, None)
    error = oxide.NotFoundException(404, method="DELETE", attempts=(first, second))
    assert error.may_have_acted
    assert not oxide.NotFoundException(404, method="DELETE", attempts=(second,)).may_have_acted


@given(status=st.integers(100, 999), method=st.sampled_from(["GET", "POST", "DELETE"]))
def test_the_status_decides_whether_the_server_may_have_acted_and_a_retry_may_help(
    scene: Scene, status: int, method: str
) -> None:
    error = oxide.ApiException(status, method=method)
    error._repeatable = method == "GET"
    refuses = 300 <= status < 500 and status != 408
    assert error.may_have_acted is (method != "GET" and not refuses)
    assert error.retryable is ((method == "GET" or refuses) and status in PASSING)


@pytest.mark.parametrize("status", PASSING)
def test_a_passing_failure_is_retried_only_for_reads(scene: Scene, status: int) -> None:
    for contract in CONTRACTS:
        pauses: list[float] = []
        configuration = scene.simulator.configuration()
        with oxide.ApiClient(configuration, sleep=pauses.append) as client:
            scene.respond_with(status, b"", times=2)
            before = len(scene.requests)
            try:
                method_of(client, contract.name)(**contract.arguments)
            except oxide.ApiException as error:
                seen = error.status
            else:
                seen = None
        sent = len(scene.requests) - before
        scene.simulator.clear_faults()
        assert (sent, len(pauses)) == ((3, 2) if contract.method == "GET" else (1, 0)), contract.name
        assert (seen == status) is (contract.method != "GET")


def test_an_error_names_the_arguments_of_the_call(scene: Scene) -> None:
    for status, body in [(502, b""), (403, b""), (404, {"message": "no"})]:
        scene.respond_with(status, body)
        error = error_of(scene, BY_NAME["image_view"])
        assert "(GET /v1/images/my-image?project=my-project" in str(error)


def test_an_error_stays_short_with_any_arguments(scene: Scene) -> None:
    scene.respond_with(400, {"message": "m" * 5000})
    with pytest.raises(oxide.BadRequestException) as caught:
        scene.images.image_list(page_token="t" * 8000)
    assert len(str(caught.value)) < 1200
    assert "(GET /v1/images?page_token=ttt" in str(caught.value)
