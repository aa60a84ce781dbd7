"""A CI check of code that uses the client: it publishes an image, whatever goes wrong on the way.

Run by `pytest ci_check.py`; the fixture `oxide_simulator` comes with `oxide[testing]`.
"""

from collections.abc import Iterator

import pytest

import oxide
from oxide.testing import Answer, Delay, Drop, Fault, Simulator


def publish(images: oxide.ImagesApi, name: str, project: str) -> oxide.Image:
    """Publish an image of a project, unless that is done already: the code that is checked."""
    return images.image_ensure_location(name, source=project)


@pytest.fixture
def images(oxide_simulator: Simulator) -> Iterator[oxide.ImagesApi]:
    """Give the code a client, and the simulator what it needs."""
    oxide_simulator.create_project("web")
    oxide_simulator.create_image("nginx", "web")
    with oxide.ApiClient(oxide_simulator.configuration(timeout=5), sleep=lambda seconds: None) as client:
        yield oxide.ImagesApi(client)


def test_an_image_is_published_once(oxide_simulator: Simulator, images: oxide.ImagesApi) -> None:
    first, second = publish(images, "nginx", "web"), publish(images, "nginx", "web")
    assert first == second
    assert first.project_id is None
    sent = [request.operation for request in oxide_simulator.requests]
    assert sent.count("image_promote") == 1


@pytest.mark.parametrize(
    "fault", [Drop(), Drop(after_acting=True), Answer(503), Answer(502, after_acting=True)], ids=repr
)
def test_a_lost_response_does_not_publish_twice(
    oxide_simulator: Simulator, images: oxide.ImagesApi, fault: Fault
) -> None:
    oxide_simulator.fail_next(fault, operation="image_promote")
    assert publish(images, "nginx", "web").project_id is None


def test_a_call_to_a_busy_server_is_retried(oxide_simulator: Simulator, images: oxide.ImagesApi) -> None:
    oxide_simulator.fail_next(Answer(503, headers={"retry-after": "1"}), times=2, operation="image_view")
    publish(images, "nginx", "web")
    assert [request.status for request in oxide_simulator.requests][:3] == [503, 503, 200]


def test_a_call_to_a_silent_server_times_out(oxide_simulator: Simulator, images: oxide.ImagesApi) -> None:
    oxide_simulator.fail_next(Delay(60))
    with pytest.raises(oxide.ApiTimeoutError) as caught:
        images.image_view("nginx", project="web", _request_timeout=0.2)
    assert not caught.value.may_have_acted


def test_a_missing_role_is_reported(oxide_simulator: Simulator, images: oxide.ImagesApi) -> None:
    token = oxide_simulator.create_user("ann", project_roles={"web": "viewer"})
    with pytest.raises(oxide.NotFoundException):
        images.image_promote(images.image_view("nginx", "web"), _request_auth=token)
