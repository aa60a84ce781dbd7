"""Tests of `image_ensure_absent` and `image_ensure_location`, with lost responses and changes by others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal
from uuid import UUID

import pytest

import oxide
from oxide.testing import Simulator
from oxide.testing.faults import Answer, Drop, Fault, Truncate

PLACES = ("web", "build", None)
MOVES = [(start, target) for start, target in product(PLACES, PLACES) if start != target]
# Faults of a write, some before and some after the service acted.
LOST: list[Fault] = [
    Drop(),
    Drop(after_acting=True),
    Drop(reset=True),
    Drop(after_acting=True, reset=True),
    Truncate(5),
    Answer(500),
    Answer(502, "<html>bad gateway</html>", after_acting=True),
    Answer(504),
    Answer(408, after_acting=True),
    Answer(200, "done, said the proxy", after_acting=True),
]
EACH_LOSS = pytest.mark.parametrize("fault", LOST, ids=repr)
Move = Literal["image_promote", "image_demote"]
WRITES = {"image_delete", "image_demote", "image_promote"}


@dataclass
class Scene:
    """A simulator with the projects `web`, `build` and `other`, and a client without retries."""

    simulator: Simulator
    images: oxide.ImagesApi
    # Each is called once, after the next attempt of its operation.
    then: dict[str, Callable[[], object]] = field(default_factory=dict)

    def after(self, attempt: oxide.Attempt) -> None:
        if hook := self.then.pop(attempt.operation, None):
            hook()

    def make(self, name: str, project: str | None) -> oxide.Image:
        """Create an image and return it, through another client."""
        image = self.simulator.create_image(name, project=project)
        with oxide.ApiClient(self.simulator.configuration()) as client:
            return oxide.ImagesApi(client).image_view(image)

    def where(self) -> dict[UUID, str | None]:
        """Return where each image is."""
        with oxide.ApiClient(self.simulator.configuration()) as client:
            images = oxide.ImagesApi(client)
            return {
                image.id: place
                for place in (*PLACES, "other")
                for image in images.image_list_iter(project=place)
            }

    def behind_its_back(self) -> oxide.ImagesApi:
        """Return the API of somebody else."""
        return oxide.ImagesApi(oxide.ApiClient(self.simulator.configuration()))

    def replace_after(
        self, operation: str, image: oxide.Image, *, already_deleted: bool = False
    ) -> list[oxide.Image]:
        """After the next attempt of an operation, replace an image of `web`; return a list that gets the new one."""
        replacements: list[oxide.Image] = []

        def replace() -> None:
            if not already_deleted:
                self.behind_its_back().image_delete(image)
            replacements.append(self.make(image.name, "web"))

        self.then[operation] = replace
        return replacements

    def writes(self) -> list[str | None]:
        return [request.operation for request in self.simulator.requests if request.operation in WRITES]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Simulator() as simulator:
        for project in ("web", "build", "other"):
            simulator.create_project(project)
        scene: Scene
        configuration = simulator.configuration(
            max_retries=0, on_attempt=lambda attempt: scene.after(attempt)
        )
        with oxide.ApiClient(configuration) as client:
            scene = Scene(simulator, oxide.ImagesApi(client))
            yield scene


def ways(image: oxide.Image, start: str | None) -> list[tuple[Any, str | None]]:
    """Return each way to name an image, with the project that goes with it."""
    return [
        (image, None),
        (image.id, None),
        (str(image.id), None),
        (oxide.NameOrId(image.name), start),
        (image.name, start),
    ]


def moves(start: str | None, target: str | None) -> list[Move]:
    """Return the operations that bring an image from one place to another."""
    found: list[Move] = []
    if start is not None:
        found.append("image_promote")
    if target is not None:
        found.append("image_demote")
    return found


class TestEnsureAbsent:
    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("way", range(5))
    def test_the_image_is_deleted_once_and_a_second_call_does_nothing(
        self, scene: Scene, place: str | None, way: int
    ) -> None:
        image = scene.make("nginx", place)
        others = [scene.make("nginx", other).id for other in PLACES if other != place]
        named, project = ways(image, place)[way]
        assert scene.images.image_ensure_absent(named, project) is True
        assert scene.images.image_ensure_absent(named, project=project) is False
        assert set(scene.where()) == set(others)

    def test_an_image_given_by_name_is_looked_up_and_deleted_by_id(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        before = len(scene.simulator.requests)
        scene.images.image_ensure_absent("nginx", "web")
        view, delete = scene.simulator.requests[before:]
        assert (view.target, delete.target) == ("/v1/images/nginx?project=web", f"/v1/images/{image.id}")

    @EACH_LOSS
    @pytest.mark.parametrize("by_name", [True, False])
    def test_after_a_lost_response_the_outcome_is_looked_up(
        self, scene: Scene, fault: Fault, by_name: bool
    ) -> None:
        image = scene.make("nginx", "web")
        scene.simulator.fail_next(fault, operation="image_delete")
        arguments: tuple[Any, ...] = ("nginx", "web") if by_name else (image,)
        assert scene.images.image_ensure_absent(*arguments) is True
        assert scene.where() == {}
        assert len(scene.writes()) <= 2

    def test_an_image_that_is_gone_before_the_second_request_counts_as_deleted(self, scene: Scene) -> None:
        """The first deletion is lost and the image still exists; it is gone before the second request."""
        image = scene.make("nginx", "web")
        scene.simulator.fail_next(Drop(), operation="image_delete")
        scene.then["image_view"] = lambda: scene.behind_its_back().image_delete(image)
        assert scene.images.image_ensure_absent(image) is True

    def test_another_image_that_took_the_name_meanwhile_is_not_deleted(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        replacements = scene.replace_after("image_view", image)
        assert scene.images.image_ensure_absent("nginx", "web") is False
        assert scene.where() == {replacements[0].id: "web"}

    @pytest.mark.parametrize("acted", [True, False])
    def test_another_image_that_took_the_name_after_a_lost_response_is_not_deleted(
        self, scene: Scene, acted: bool
    ) -> None:
        image = scene.make("nginx", "web")
        replacements = scene.replace_after("image_delete", image, already_deleted=acted)
        scene.simulator.fail_next(Drop(after_acting=acted), operation="image_delete")
        assert scene.images.image_ensure_absent("nginx", "web") is True
        assert scene.where() == {replacements[0].id: "web"}

    def test_an_image_that_was_moved_meanwhile_is_deleted(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        scene.then["image_view"] = lambda: scene.behind_its_back().image_promote(image)
        assert scene.images.image_ensure_absent("nginx", "web") is True
        assert scene.where() == {}

    def test_an_unknown_project_is_an_error(self, scene: Scene) -> None:
        with pytest.raises(oxide.NotFoundException, match="project with name"):
            scene.images.image_ensure_absent("nginx", "nowhere")
        token = scene.simulator.create_user("ann")
        scene.make("nginx", "web")
        with pytest.raises(oxide.NotFoundException, match="project"):
            scene.images.image_ensure_absent("nginx", "web", _request_auth=token)

    @pytest.mark.parametrize("as_image", [True, False])
    def test_a_user_with_only_a_project_role_gets_advice(self, scene: Scene, as_image: bool) -> None:
        """With only a project role, no image can be found by its ID."""
        image = scene.make("nginx", "web")
        token = scene.simulator.create_user("ann", project_roles={"web": "admin"})
        arguments: tuple[Any, ...] = (image.model_copy(),) if as_image else ("nginx", "web")
        with pytest.raises(
            oxide.NotFoundException, match=r"it is there, .* image_delete\('nginx', "
        ) as caught:
            scene.images.image_ensure_absent(*arguments, _request_auth=token)
        assert not caught.value.may_have_acted
        assert scene.where() == {image.id: "web"}
        scene.images.image_delete("nginx", str(image.project_id), _request_auth=token)
        assert scene.images.image_ensure_absent(*arguments, _request_auth=token) is False

    def test_after_a_second_lost_response_the_error_says_that_the_image_may_be_deleted(
        self, scene: Scene
    ) -> None:
        image = scene.make("nginx", "web")
        scene.simulator.fail_next(Drop(), times=2, operation="image_delete")
        with pytest.raises(oxide.ApiConnectionError, match="may have deleted the image") as caught:
            scene.images.image_ensure_absent(image)
        assert caught.value.may_have_acted
        assert [attempt.operation for attempt in caught.value.attempts] == ["image_delete"] * 2
        assert scene.images.image_ensure_absent(image) is True

    def test_an_error_during_the_lookup_says_that_the_image_may_be_deleted(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        scene.simulator.fail_next(Drop(after_acting=True), operation="image_delete")
        scene.simulator.fail_next(Answer(403), operation="image_view")
        with pytest.raises(oxide.ForbiddenException, match="may have deleted the image") as caught:
            scene.images.image_ensure_absent(image)
        assert caught.value.may_have_acted

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_a_refusal_is_raised_unchanged(self, scene: Scene, status: int) -> None:
        image = scene.make("nginx", "web")
        scene.simulator.fail_next(Answer(status), operation="image_delete")
        with pytest.raises(oxide.ApiException) as caught:
            scene.images.image_ensure_absent(image)
        assert (caught.value.status, caught.value.may_have_acted) == (status, False)
        assert scene.where() == {image.id: "web"}

    @pytest.mark.parametrize(
        "arguments",
        [("Bad",), (None,), (5,), ("nginx", "Bad"), (UUID(int=5), "web"), (str(UUID(int=5)), "web")],
        ids=repr,
    )
    def test_wrong_arguments_are_refused_before_anything_is_sent(self, scene: Scene, arguments: Any) -> None:
        with pytest.raises((oxide.ApiValueError, oxide.ApiTypeError)):
            scene.images.image_ensure_absent(*arguments)
        assert scene.simulator.requests == []


class TestEnsureLocation:
    @pytest.mark.parametrize(("start", "target"), [*MOVES, *((place, place) for place in PLACES)])
    @pytest.mark.parametrize("way", range(5))
    def test_the_image_is_moved_once_and_a_second_call_does_nothing(
        self, scene: Scene, start: str | None, target: str | None, way: int
    ) -> None:
        image = scene.make("nginx", start)
        bystander = scene.make("redis", start).id
        named, source = ways(image, start)[way]
        for _ in range(2):
            moved = scene.images.image_ensure_location(named, target, source=source)
            assert (moved.id, moved.name) == (image.id, "nginx")
            assert (moved.project_id is None) == (target is None)
            assert scene.where() == {image.id: target, bystander: start}
        assert scene.writes() == ([] if start == target else moves(start, target))

    def test_the_target_project_may_be_given_by_id(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        target = scene.make("other", "build").project_id
        assert target is not None
        for _ in range(2):
            assert scene.images.image_ensure_location(image, target).project_id == target
        assert scene.writes() == ["image_promote", "image_demote"]

    @EACH_LOSS
    @pytest.mark.parametrize(("start", "target"), MOVES)
    def test_after_a_lost_response_the_outcome_is_looked_up(
        self, scene: Scene, fault: Fault, start: str | None, target: str | None
    ) -> None:
        image = scene.make("nginx", start)
        for operation in moves(start, target):
            scene.simulator.fail_next(fault, operation=operation)
        assert scene.images.image_ensure_location(image, target).id == image.id
        assert scene.where() == {image.id: target}

    @pytest.mark.parametrize(("start", "target"), MOVES)
    @pytest.mark.parametrize("way", [0, 1, 4])
    @pytest.mark.parametrize("acted", [True, False])
    def test_a_second_call_finishes_an_interrupted_move(
        self, scene: Scene, start: str | None, target: str | None, way: int, acted: bool
    ) -> None:
        for operation in moves(start, target):
            image = scene.make("nginx", start)
            named, source = ways(image, start)[way]
            scene.simulator.fail_next(Drop(after_acting=acted), operation=operation)
            scene.then[operation] = lambda: scene.simulator.fail_next(Answer(401), times=100)
            with pytest.raises(oxide.UnauthorizedException, match=r"may have moved|on its way") as caught:
                scene.images.image_ensure_location(named, target, source=source)
            assert caught.value.may_have_acted
            scene.simulator.clear_faults()
            moved = scene.images.image_ensure_location(named, target, source=source)
            assert moved.id == image.id
            assert scene.where() == {image.id: target}
            scene.images.image_delete(image)

    @pytest.mark.parametrize(("start", "target"), MOVES)
    def test_a_name_taken_in_the_destination_is_an_error_before_anything_is_moved(
        self, scene: Scene, start: str | None, target: str | None
    ) -> None:
        image, other = scene.make("nginx", start), scene.make("nginx", target)
        for named, source in ways(image, start):
            with pytest.raises(oxide.ObjectAlreadyExists) as caught:
                scene.images.image_ensure_location(named, target, source=source)
            assert not caught.value.may_have_acted
        assert scene.where() == {image.id: start, other.id: target}

    def test_a_name_taken_in_the_silo_is_an_error_and_both_images_stay(self, scene: Scene) -> None:
        image, other = scene.make("nginx", "web"), scene.make("nginx", None)
        with pytest.raises(oxide.ObjectAlreadyExists):
            scene.images.image_ensure_location(image, "build")
        assert scene.where() == {image.id: "web", other.id: None}

    def test_if_the_name_is_taken_during_the_move_the_error_says_that_the_image_is_in_the_silo(
        self, scene: Scene
    ) -> None:
        image = scene.make("nginx", "web")
        scene.then["image_promote"] = lambda: scene.make("nginx", "build")
        with pytest.raises(
            oxide.ObjectAlreadyExists, match=f"image {image.id} was promoted to the silo on its way"
        ):
            scene.images.image_ensure_location(image, "build")
        assert scene.where()[image.id] is None

    def test_another_image_that_took_the_name_meanwhile_is_not_moved(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        replacements = scene.replace_after("image_view", image)
        with pytest.raises(oxide.NotFoundException):
            scene.images.image_ensure_location("nginx", None, source="web")
        assert scene.where() == {replacements[0].id: "web"}

    @pytest.mark.parametrize(("start", "target"), MOVES)
    def test_it_succeeds_if_somebody_else_moves_the_image_to_the_destination(
        self, scene: Scene, start: str | None, target: str | None
    ) -> None:
        image = scene.make("nginx", start)

        def move() -> None:
            other = scene.behind_its_back()
            if start is not None:
                other.image_promote(image)
            if target is not None:
                other.image_demote(image, target)

        scene.then["image_view"] = move
        assert scene.images.image_ensure_location(image, target).id == image.id
        assert scene.where() == {image.id: target}

    def test_it_fails_if_somebody_else_moves_the_image_elsewhere(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        scene.then["image_promote"] = lambda: scene.behind_its_back().image_demote(image, "other")
        with pytest.raises(oxide.BadRequestException):
            scene.images.image_ensure_location(image, "build")
        assert scene.where() == {image.id: "other"}

    @pytest.mark.parametrize("given", ["image", "name"])
    def test_an_unknown_destination_is_an_error_before_anything_is_moved(
        self, scene: Scene, given: str
    ) -> None:
        image = scene.make("nginx", "web")
        named, source = (image, None) if given == "image" else ("nginx", "web")
        with pytest.raises(oxide.NotFoundException, match="project with name"):
            scene.images.image_ensure_location(named, "nowhere", source=source)
        assert scene.where() == {image.id: "web"}

    def test_an_unknown_source_project_is_an_error_and_the_silo_keeps_its_image(self, scene: Scene) -> None:
        image = scene.make("nginx", None)
        with pytest.raises(oxide.NotFoundException, match="project with name"):
            scene.images.image_ensure_location("nginx", "web", source="nowhere")
        assert scene.where() == {image.id: None}

    def test_an_image_missing_from_its_source_and_destination_is_not_taken_from_the_silo(
        self, scene: Scene
    ) -> None:
        image = scene.make("nginx", None)
        with pytest.raises(oxide.NotFoundException):
            scene.images.image_ensure_location("nginx", "web", source="web")
        assert scene.where() == {image.id: None}

    def test_an_image_that_does_not_exist_is_an_error(self, scene: Scene) -> None:
        for image, source in ((UUID(int=5), None), ("nginx", "build"), ("nginx", None)):
            with pytest.raises(oxide.NotFoundException):
                scene.images.image_ensure_location(image, "web", source=source)
        assert scene.writes() == []

    def test_a_user_without_the_role_to_move_an_image_gets_an_error(self, scene: Scene) -> None:
        image = scene.make("nginx", "web")
        token = scene.simulator.create_user("ann", "viewer")
        with pytest.raises(oxide.ForbiddenException) as caught:
            scene.images.image_ensure_location(image, _request_auth=token)
        assert not caught.value.may_have_acted
        assert scene.images.image_ensure_location(image, "web", _request_auth=token) == image

    def test_after_a_second_lost_response_the_error_says_that_the_image_may_be_moved(
        self, scene: Scene
    ) -> None:
        image = scene.make("nginx", "web")
        scene.simulator.fail_next(Drop(), times=2, operation="image_promote")
        with pytest.raises(oxide.ApiConnectionError, match="may have moved the image") as caught:
            scene.images.image_ensure_location(image)
        assert caught.value.may_have_acted
        assert scene.where() == {image.id: "web"}

    @pytest.mark.parametrize(
        "arguments",
        [
            {"image": "Bad"},
            {"image": None},
            {"image": "nginx", "project": "Bad"},
            {"image": "nginx", "source": "Bad"},
            {"image": UUID(int=5), "source": "web"},
            {"image": str(UUID(int=5)), "source": "web"},
        ],
        ids=repr,
    )
    def test_wrong_arguments_are_refused_before_anything_is_sent(
        self, scene: Scene, arguments: dict[str, Any]
    ) -> None:
        with pytest.raises((oxide.ApiValueError, oxide.ApiTypeError)) as caught:
            scene.images.image_ensure_location(**arguments)
        if isinstance(arguments["image"], UUID):
            assert str(caught.value).startswith("source: leave it out")
        assert scene.simulator.requests == []


def test_options_apply_to_every_request(scene: Scene) -> None:
    scene.make("nginx", "web")
    before = len(scene.simulator.requests)
    options: dict[str, Any] = {"_headers": {"X-Job": "nightly"}}
    scene.images.image_ensure_location("nginx", "build", source="web", **options)
    scene.images.image_ensure_absent("nginx", "build", **options)
    scene.images.image_ensure_absent("nginx", "build", **options)
    jobs = {request.headers.get("x-job") for request in scene.simulator.requests[before:]}
    assert jobs == {"nightly"}


@pytest.mark.parametrize("acted", [True, False])
def test_a_client_that_retries_gives_the_same_result(acted: bool) -> None:
    with Simulator() as simulator, oxide.ApiClient(simulator.configuration()) as client:
        images = oxide.ImagesApi(client)
        simulator.create_project("web")
        image = images.image_view(simulator.create_image("nginx", project="web"))
        simulator.fail_next(Drop(after_acting=acted), operation="image_promote")
        assert images.image_ensure_location(image).project_id is None
        simulator.fail_next(Drop(after_acting=acted), operation="image_delete")
        assert images.image_ensure_absent(image) is True
