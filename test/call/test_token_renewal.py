"""After a 401, a token callable is called once more; if it returns another token, the request is sent once more."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from core_support import CONTRACTS, Contract, Scene, method_of, open_scene

import oxide
from oxide.testing import Answer

OLD = "oxide-token-that-has-expired"
OF_EACH_OPERATION = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


def client_of(scene: Scene, token: str | Callable[[], str], **settings: Any) -> oxide.ApiClient:
    return oxide.ApiClient(oxide.Configuration(scene.simulator.url, access_token=token, **settings))


def tokens(*values: str) -> Callable[[], str]:
    """Return a callable that returns one value after the other, and fails when it is called too often."""
    left = list(values)
    return lambda: left.pop(0)


def statuses(scene: Scene) -> list[int | None]:
    return [request.status for request in scene.requests]


@OF_EACH_OPERATION
@pytest.mark.parametrize("form", ["", "_without_preload_content"])
def test_a_new_token_gets_one_attempt_even_without_retries(
    scene: Scene, contract: Contract, form: str
) -> None:
    """The server checks a token before it acts, so even a write may be sent again."""
    scene.simulator.create_image("my-image", project="my-project")
    pauses: list[float] = []
    seen: list[oxide.Attempt] = []
    configuration = oxide.Configuration(
        scene.simulator.url,
        access_token=tokens(OLD, scene.simulator.token),
        max_retries=0,
        on_attempt=seen.append,
    )
    before = len(scene.requests)
    with oxide.ApiClient(configuration, sleep=pauses.append) as client:
        arguments = {**contract.arguments, **({"page_token": None} if contract.name == "image_list" else {})}
        if contract.name == "image_create":
            arguments["image_create"] = scene.new_image(name="new")
        if contract.name == "image_demote":
            arguments["image"] = scene.simulator.create_image("silo-image")
        result = method_of(client, contract.name, form)(**arguments)
        if form:
            assert result.status == contract.status
            result.close()
    assert statuses(scene)[before:] == [401, contract.status]
    assert pauses == []
    assert [(attempt.status, attempt.delay) for attempt in seen] == [(401, 0.0), (contract.status, None)]


def test_the_same_token_is_not_sent_again(scene: Scene) -> None:
    with client_of(scene, lambda: OLD) as client, pytest.raises(oxide.UnauthorizedException) as caught:
        oxide.ImagesApi(client).image_list()
    assert statuses(scene) == [401]
    assert len(caught.value.attempts) == 1


def test_a_second_new_token_is_not_tried(scene: Scene) -> None:
    token = tokens(OLD, f"{OLD}-too", scene.simulator.token)
    with client_of(scene, token) as client, pytest.raises(oxide.UnauthorizedException):
        oxide.ImagesApi(client).image_list()
    assert statuses(scene) == [401, 401]


def test_a_fixed_token_is_not_sent_again(scene: Scene) -> None:
    with client_of(scene, OLD) as client, pytest.raises(oxide.UnauthorizedException):
        oxide.ImagesApi(client).image_list()
    assert statuses(scene) == [401]


def test_a_token_callable_of_one_call_is_asked_again_too(scene: Scene) -> None:
    api = oxide.ImagesApi(client_of(scene, OLD))
    assert api.image_list(_request_auth=tokens(OLD, scene.simulator.token)).items == []
    assert statuses(scene) == [401, 200]


def test_an_exception_of_the_second_call_to_the_token_callable_passes_unchanged(scene: Scene) -> None:
    left = [OLD]

    def token() -> str:
        if not left:
            message = "the token service is down"
            raise LookupError(message)
        return left.pop()

    with client_of(scene, token) as client, pytest.raises(LookupError, match="token service is down"):
        oxide.ImagesApi(client).image_list()


def test_a_renewal_does_not_use_up_a_retry(scene: Scene) -> None:
    token = tokens(OLD, scene.simulator.token, scene.simulator.token, scene.simulator.token)
    configuration = oxide.Configuration(scene.simulator.url, access_token=token, max_retries=2)
    with oxide.ApiClient(configuration, sleep=lambda _: None) as client:
        scene.simulator.fail_next(Answer(401))
        scene.simulator.fail_next(Answer(503))
        assert oxide.ImagesApi(client).image_list().items == []
    assert [request.status for request in scene.requests][-1] == 200
