"""Tests of `image_ensure`: afterwards the image exists once and agrees, even if responses are lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import oxide
from oxide.testing import Simulator, faults


@dataclass
class Scene:
    simulator: Simulator
    images: oxide.ImagesApi
    wanted: oxide.ImageCreate

    def operations(self) -> list[str | None]:
        return [request.operation for request in self.simulator.requests]

    def names(self) -> list[str]:
        return [image.name for image in self.images.image_list_iter(project="my-project")]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Simulator() as simulator:
        simulator.create_project("my-project")
        snapshot = simulator.create_snapshot("snap", project="my-project")
        wanted = oxide.ImageCreate(
            name="alpine",
            description="golden",
            os="alpine",
            version="3.20",
            source=oxide.ImageSource(id=snapshot),
        )
        with oxide.ApiClient(simulator.configuration(max_retries=0)) as client:
            yield Scene(simulator, oxide.ImagesApi(client), wanted)


def test_a_missing_image_is_created(scene: Scene) -> None:
    image = scene.images.image_ensure(scene.wanted, project="my-project")
    assert (image.name, image.version, image.project_id is None) == ("alpine", "3.20", False)
    assert scene.operations() == ["image_view", "image_create"]


def test_an_existing_image_is_returned_and_nothing_is_created(scene: Scene) -> None:
    first = scene.images.image_ensure(scene.wanted, project="my-project")
    again = scene.images.image_ensure(scene.wanted.to_dict(), project="my-project")
    assert again.id == first.id
    assert scene.operations().count("image_create") == 1


def test_without_a_project_the_image_is_looked_up_and_created_in_the_silo(scene: Scene) -> None:
    in_project = scene.images.image_ensure(scene.wanted, project="my-project")
    in_silo = scene.images.image_ensure(scene.wanted)
    assert in_silo.project_id is None
    assert in_silo.id != in_project.id


@pytest.mark.parametrize(
    ("field", "value"), [("description", "other"), ("os", "debian"), ("version", "3.21"), ("description", "")]
)
def test_the_error_names_the_field_that_differs(scene: Scene, field: str, value: str) -> None:
    scene.images.image_ensure(scene.wanted, project="my-project")
    other = scene.wanted.model_copy(update={field: value})
    with pytest.raises(oxide.ObjectAlreadyExists, match=f"a different {field}: ") as caught:
        scene.images.image_ensure(other, project="my-project")
    assert (caught.value.operation, caught.value.error_code) == ("image_ensure", "ObjectAlreadyExists")
    assert scene.operations().count("image_create") == 1


@pytest.mark.parametrize(
    "fault",
    [
        faults.Drop(after_acting=True),
        faults.Drop(after_acting=True, reset=True),
        faults.Truncate(5),
        faults.Answer(502, "<html>bad gateway</html>", after_acting=True),
        faults.Answer(504, after_acting=True),
        faults.Answer(201, "created, said the proxy", after_acting=True),
    ],
)
def test_after_a_lost_response_the_image_is_found(scene: Scene, fault: faults.Fault) -> None:
    scene.simulator.fail_next(fault, operation="image_create")
    image = scene.images.image_ensure(scene.wanted, project="my-project")
    assert image.name == "alpine"
    assert scene.operations() == ["image_view", "image_create", "image_view"]


@pytest.mark.parametrize(
    "fault",
    [
        faults.Drop(),
        faults.Drop(reset=True),
        *(faults.Answer(status, "") for status in (408, 500, 502, 503, 507)),
    ],
)
def test_the_creation_is_repeated_if_the_first_request_did_nothing(scene: Scene, fault: faults.Fault) -> None:
    scene.simulator.fail_next(fault, operation="image_create")
    image = scene.images.image_ensure(scene.wanted, project="my-project")
    assert image.version == "3.20"
    assert scene.operations() == ["image_view", "image_create", "image_view", "image_create"]


def test_a_second_unknown_outcome_is_raised(scene: Scene) -> None:
    scene.simulator.fail_next(faults.Drop(), times=2, operation="image_create")
    with pytest.raises(oxide.ApiConnectionError) as caught:
        scene.images.image_ensure(scene.wanted, project="my-project")
    assert caught.value.outcome == "unknown"
    assert scene.operations().count("image_create") == 2


@pytest.mark.parametrize(
    "fault", [faults.Drop(after_acting=True), faults.Answer(504)], ids=["lost", "gateway"]
)
def test_an_error_after_an_unknown_outcome_says_that_the_outcome_is_unknown(fault: faults.Fault) -> None:
    """This holds although the last request, which only reads, was not even sent."""
    with Simulator() as simulator:
        wanted = {
            "name": "alpine",
            "description": "",
            "os": "alpine",
            "version": "3.20",
            "source": {"type": "snapshot", "id": "11111111-2222-4333-8444-555555555555"},
        }

        def stop(attempt: oxide.Attempt) -> None:
            if attempt.operation == "image_create":
                simulator.stop()

        simulator.fail_next(fault, operation="image_create")
        with (
            oxide.ApiClient(simulator.configuration(max_retries=0, on_attempt=stop)) as client,
            pytest.raises(oxide.ApiConnectionError, match="may have created the image") as caught,
        ):
            oxide.ImagesApi(client).image_ensure(wanted)
        error = caught.value
        assert (error.operation, error.outcome) == ("image_view", "unknown")
        assert error.may_have_acted
        assert [attempt.operation for attempt in error.attempts] == ["image_create", "image_view"]


def test_an_image_that_somebody_else_created_first_is_returned(scene: Scene) -> None:
    rival = scene.images.image_create(scene.wanted, project="my-project")
    missed = '{"request_id": "r", "error_code": "ObjectNotFound", "message": "not found"}'
    scene.simulator.fail_next(faults.Answer(404, missed), operation="image_view")
    assert scene.images.image_ensure(scene.wanted, project="my-project").id == rival.id


def test_an_image_that_somebody_else_created_first_is_compared(scene: Scene) -> None:
    scene.images.image_create(scene.wanted, project="my-project")
    scene.simulator.fail_next(faults.Answer(404, ""), operation="image_view")
    with pytest.raises(oxide.ObjectAlreadyExists, match="a different os"):
        scene.images.image_ensure(scene.wanted.model_copy(update={"os": "debian"}), project="my-project")


def test_a_first_request_that_took_effect_late_gives_the_result(scene: Scene) -> None:
    """The response to the first creation is lost; the image appears only before the second one."""
    scene.simulator.fail_next(faults.Drop(after_acting=True), operation="image_create")
    scene.simulator.fail_next(faults.Answer(404, ""), times=2, operation="image_view")
    image = scene.images.image_ensure(scene.wanted, project="my-project")
    assert image.name == "alpine"
    assert scene.operations() == ["image_view", "image_create", "image_view", "image_create", "image_view"]
    assert scene.names() == ["alpine"]


def test_a_taken_name_whose_image_cannot_be_seen_is_an_error(scene: Scene) -> None:
    scene.images.image_create(scene.wanted, project="my-project")
    scene.simulator.fail_next(faults.Answer(404, ""), times=2, operation="image_view")
    with pytest.raises(oxide.ObjectAlreadyExists) as caught:
        scene.images.image_ensure(scene.wanted, project="my-project")
    assert caught.value.operation == "image_create"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_any_other_error_is_raised_unchanged(scene: Scene, status: int) -> None:
    scene.simulator.fail_next(faults.Answer(status, ""), operation="image_create")
    with pytest.raises(oxide.ApiException) as caught:
        scene.images.image_ensure(scene.wanted, project="my-project")
    assert caught.value.status == status
    assert scene.operations() == ["image_view", "image_create"]


def test_an_unknown_project_is_an_error(scene: Scene) -> None:
    with pytest.raises(oxide.NotFoundException, match="project with name"):
        scene.images.image_ensure(scene.wanted, project="nowhere")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"name": "Bad"}, oxide.ApiValueError),
        ("alpine", oxide.ApiTypeError),
        (None, oxide.ApiTypeError),
        (oxide.ImageCreate.model_construct(name="a"), oxide.ApiValueError),
    ],
)
def test_bad_bodies_are_refused_before_anything_is_sent(
    scene: Scene, body: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        scene.images.image_ensure(body, project="my-project")
    assert scene.operations() == []


def test_options_apply_to_every_request(scene: Scene) -> None:
    scene.images.image_ensure(scene.wanted, project="my-project", _headers={"X-Job": "nightly"})
    assert [request.headers["x-job"] for request in scene.simulator.requests] == ["nightly", "nightly"]
