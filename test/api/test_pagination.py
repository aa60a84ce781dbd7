"""Tests of the pager: every image comes once, with any page size and through every failure."""

import gc
import math
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
from core_support import IMAGE, Scene, open_scene
from hypothesis import given
from hypothesis import strategies as st

import oxide
from oxide.testing import Answer, Drop, ReceivedRequest


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


def fill(scene: Scene, count: int, project: str | None = "my-project") -> list[str]:
    """Create images, and return their names as the service sorts them."""
    names = [f"image-{number:04d}" for number in range(count)]
    # They are created in another order than they are listed in.
    scene.simulator.create_images(sorted(names, key=lambda name: name[::-1]), project=project)
    return names


def names(images: Iterator[oxide.Image]) -> list[str]:
    return [image.name for image in images]


def listings(scene: Scene) -> list[ReceivedRequest]:
    return [request for request in scene.requests if request.operation == "image_list"]


class TestEveryImage:
    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 10, None])
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 9])
    def test_every_image_comes_once_with_any_page_size(
        self, scene: Scene, count: int, limit: int | None
    ) -> None:
        expected = fill(scene, count)
        assert names(scene.images.image_list_iter(project="my-project", limit=limit)) == expected
        assert len(listings(scene)) == math.ceil(count / (limit or 100)) + 1

    @pytest.mark.parametrize(
        ("count", "requests"), [(99, 2), (100, 2), (101, 3), (1100, 3), (1101, 4), (10_000, 12)]
    )
    def test_every_image_comes_once_with_a_first_page_of_100_and_later_pages_of_1000(
        self, scene: Scene, count: int, requests: int
    ) -> None:
        expected = [f"image-{number:05d}" for number in range(count)]
        scene.simulator.create_images(expected, project="my-project")
        assert names(scene.images.image_list_iter(project="my-project")) == expected
        assert len(listings(scene)) == requests

    @pytest.mark.parametrize("sort_by", [*oxide.NameOrIdSortMode, "name_ascending", None], ids=repr)
    def test_images_come_in_the_requested_order(self, scene: Scene, sort_by: str | None) -> None:
        expected = fill(scene, 7)
        images = list(scene.images.image_list_iter(project="my-project", sort_by=sort_by, limit=2))
        if sort_by == "id_ascending":
            assert images == sorted(images, key=lambda image: image.id)
            assert sorted(names(iter(images))) == expected
        else:
            assert names(iter(images)) == (expected[::-1] if sort_by == "name_descending" else expected)

    def test_only_images_of_the_given_project_or_of_the_silo_come(self, scene: Scene) -> None:
        fill(scene, 3)
        scene.simulator.create_image("of-the-silo")
        for project in ("my-project", scene.project, oxide.NameOrId("my-project")):
            assert len(list(scene.images.image_list_iter(project, limit=2))) == 3
        assert names(scene.images.image_list_iter(limit=2)) == ["of-the-silo"]

    def test_every_image_comes_once_while_others_are_created_and_deleted(self, scene: Scene) -> None:
        everything = fill(scene, 12)
        pager = scene.images.image_list_iter(project="my-project", limit=3)
        seen = names(islice(pager, 3))
        # Delete the image that the next page starts after, one that is still to come, and one seen before.
        for name in (everything[2], everything[3], everything[0], everything[8]):
            scene.images.image_delete(name, project="my-project")
        scene.simulator.create_image("image-0000a", project="my-project")
        scene.simulator.create_image("image-0005a", project="my-project")
        seen += names(pager)
        gone = {everything[3], everything[8]}
        assert seen == sorted([name for name in everything if name not in gone] + ["image-0005a"])

    def test_every_image_comes_once_if_the_loop_deletes_it(self, scene: Scene) -> None:
        everything = fill(scene, 7)
        seen = []
        for image in scene.images.image_list_iter(project="my-project", limit=2):
            scene.images.image_delete(image)
            seen.append(image.name)
        assert seen == everything
        assert names(scene.images.image_list_iter(project="my-project")) == []


class TestRequests:
    def test_the_first_request_has_all_parameters_and_later_ones_only_token_and_limit(
        self, scene: Scene
    ) -> None:
        fill(scene, 5)
        pages = list(scene.images.image_list_iter("my-project", "name_descending", 2).pages())
        first, *rest = [request.query for request in listings(scene)]
        assert first == {"project": "my-project", "sort_by": "name_descending", "limit": "2"}
        assert rest == [{"page_token": page.next_page, "limit": "2"} for page in pages[:-1]]
        assert len(rest) == 3

    def test_without_a_limit_the_server_chooses_the_size_of_the_first_page(self, scene: Scene) -> None:
        fill(scene, 101)
        list(scene.images.image_list_iter(project="my-project"))
        first, *rest = [request.query for request in listings(scene)]
        assert first == {"project": "my-project"}
        assert [(set(query), query["limit"]) for query in rest] == [({"page_token", "limit"}, "1000")] * 2

    def test_a_failed_request_for_the_first_page_is_repeated_unchanged(self, scene: Scene) -> None:
        fill(scene, 1)
        pager = scene.images.image_list_iter(project="my-project")
        scene.simulator.fail_next(Drop())
        with pytest.raises(oxide.ApiConnectionError):
            next(pager)
        assert len(list(pager)) == 1
        assert [request.query.get("limit") for request in listings(scene)] == [None, None, "1000"]

    def test_with_a_page_token_the_first_request_has_no_project_and_no_order(self, scene: Scene) -> None:
        fill(scene, 3)
        token = scene.images.image_list(limit=1, project="my-project").next_page
        images = scene.images.image_list_iter("my-project", "name_ascending", 5, token)
        assert len(list(images)) == 2
        assert listings(scene)[1].query == {"page_token": token, "limit": "5"}

    def test_options_apply_to_every_page(self, scene: Scene) -> None:
        fill(scene, 2)
        ann = scene.simulator.create_user("ann", project_roles={"my-project": "viewer"})
        options: dict[str, Any] = {
            "_request_auth": ann,
            "_headers": {"x-job": "nightly"},
            "_request_timeout": 5,
        }
        list(scene.images.image_list_iter(project="my-project", limit=1, **options))
        assert [(request.user, request.headers["x-job"]) for request in scene.requests] == [
            ("ann", "nightly")
        ] * 3

    @pytest.mark.parametrize(
        "arguments",
        [
            {"limit": 0},
            {"limit": "5"},
            {"sort_by": "time"},
            {"project": "Bad"},
            {"page_token": ""},
            {"_headers": 5},
            {"_request_timeout": [5, 5]},
            {"_request_timeout": 0},
            {"page_size": 5},
        ],
        ids=repr,
    )
    def test_wrong_arguments_are_refused_before_anything_is_sent(
        self, scene: Scene, arguments: dict[str, Any]
    ) -> None:
        with pytest.raises((oxide.ApiValueError, oxide.ApiTypeError)):
            scene.images.image_list_iter(**arguments)
        assert scene.requests == []


def test_the_repr_of_a_pager_shows_its_progress(scene: Scene) -> None:
    fill(scene, 3)
    pager = scene.images.image_list_iter(project="my-project", limit=2)
    assert repr(pager) == "<ImagePager, an iterator: 0 pages fetched, page_token=None>"
    next(pager)
    assert repr(pager) == "<ImagePager, an iterator: 1 page fetched, page_token=None>"
    list(pager)
    assert repr(pager).startswith("<ImagePager, an iterator: 3 pages fetched, page_token='")
    assert len(repr(scene.images.image_list_iter(page_token="t" * 5000))) < 200


class TestLaziness:
    def test_a_page_is_fetched_only_when_its_first_image_is_needed(self, scene: Scene) -> None:
        fill(scene, 4)
        pager = scene.images.image_list_iter(project="my-project", limit=2)
        fetched = [len(listings(scene))]
        fetched.extend(len(listings(scene)) for _ in pager)
        assert fetched == [0, 1, 1, 2, 2]
        assert len(listings(scene)) == 3

    def test_a_pager_can_be_iterated_only_once(self, scene: Scene) -> None:
        expected = fill(scene, 3)
        pager = scene.images.image_list_iter(project="my-project", limit=2)
        assert iter(pager) is pager
        assert names(islice(pager, 1)) == expected[:1]
        assert names(pager) == expected[1:]
        count = len(listings(scene))
        assert list(pager) == []
        assert list(pager.pages()) == []
        assert len(listings(scene)) == count

    def test_a_page_is_released_before_the_next_is_fetched(self, scene: Scene) -> None:
        fill(scene, 6)
        alive: list[int] = []
        images: list[weakref.ref[oxide.Image]] = []

        def token_read_at_each_fetch() -> str:
            gc.collect()
            alive.append(sum(image() is not None for image in images))
            return scene.simulator.token

        pager = scene.images.image_list_iter("my-project", limit=2, _request_auth=token_read_at_each_fetch)
        for image in pager:
            images.append(weakref.ref(image))
            del image
        assert len(images) == 6
        assert alive == [0, 0, 0, 0]


class TestPages:
    def test_pages_yields_every_page_including_the_empty_last_one(self, scene: Scene) -> None:
        fill(scene, 5)
        expected, token = [], None
        while True:
            expected.append(scene.images.image_list(2, token, "my-project" if token is None else None))
            token = expected[-1].next_page
            if token is None:
                break
        assert list(scene.images.image_list_iter(project="my-project", limit=2).pages()) == expected
        assert [len(page.items) for page in expected] == [2, 2, 1, 0]

    def test_pages_after_the_first_image_yields_the_remaining_pages(self, scene: Scene) -> None:
        everything = fill(scene, 5)
        pager = scene.images.image_list_iter(project="my-project", limit=2)
        assert next(pager).name == everything[0]
        assert [names(iter(page.items)) for page in pager.pages()] == [everything[2:4], everything[4:], []]

    def test_page_token_is_the_token_of_the_current_page(self, scene: Scene) -> None:
        fill(scene, 5)
        pager = scene.images.image_list_iter(project="my-project", limit=2)
        token = None
        for page in pager.pages():
            assert pager.page_token == token
            if token is not None:
                assert scene.images.image_list(2, token) == page
            token = page.next_page

    @given(count=st.integers(0, 7), limit=st.integers(1, 4), seen=st.integers(0, 7), by_page=st.booleans())
    def test_resuming_repeats_at_most_one_page_and_loses_nothing(
        self, count: int, limit: int, seen: int, by_page: bool
    ) -> None:
        with open_scene() as scene:
            expected = fill(scene, count)
            pager = scene.images.image_list_iter(project="my-project", limit=limit)
            if by_page:
                pages = islice(pager.pages(), seen)
                first = [name for page in pages for name in names(iter(page.items))]
            else:
                first = names(islice(pager, seen))
            # Before the first page is fetched there is no token, and the listing has to start over.
            project = "my-project" if pager.page_token is None else None
            again = names(scene.images.image_list_iter(project, None, limit, pager.page_token))
            assert expected[-len(again) :] == again if again else first == expected
            assert sorted({*first, *again}) == expected
            assert len(first) + len(again) - len(expected) <= limit


class TestFailures:
    @pytest.mark.parametrize("by_page", [True, False])
    @pytest.mark.parametrize("failing", [0, 1, 2, 3])
    def test_after_a_failure_iteration_continues_where_it_stopped(
        self, scene: Scene, failing: int, by_page: bool
    ) -> None:
        everything = fill(scene, 6)
        pager = scene.images.image_list_iter(project="my-project", limit=2)
        images = (image for page in pager.pages() for image in page.items) if by_page else pager
        seen = names(islice(images, 2 * failing))
        scene.simulator.fail_next(Drop(), times=2)
        for _ in range(2):
            with pytest.raises(oxide.ApiConnectionError):
                next(pager.pages() if by_page else pager)
            # Nothing is fetched twice.
            token = pager.page_token
            assert (token is None) is (failing == 0)
        if token is not None:
            assert names(scene.images.image_list_iter(page_token=token)) == everything[len(seen) :]
        rest = (image for page in pager.pages() for image in page.items) if by_page else pager
        assert seen + names(rest) == everything

    def test_an_error_response_raises_the_same_error_as_image_list(self, scene: Scene) -> None:
        with pytest.raises(oxide.NotFoundException):
            next(scene.images.image_list_iter(project="nowhere"))

    def test_a_page_token_that_the_service_refuses_is_an_error(self, scene: Scene) -> None:
        with pytest.raises(oxide.BadRequestException, match="pagination token"):
            next(scene.images.image_list_iter(page_token="none-of-yours"))


class TestUnusualServers:
    """Pages that the service never sends, but that another server may."""

    @staticmethod
    def serve(scene: Scene, *tokens: object, items: int = 1) -> None:
        for token in tokens:
            scene.respond_with(200, {"items": [IMAGE] * items, "next_page": token})

    def test_an_empty_page_with_a_token_is_not_the_end(self, scene: Scene) -> None:
        self.serve(scene, "a")
        self.serve(scene, "b", "c", items=0)
        self.serve(scene, None)
        assert len(list(scene.images.image_list_iter())) == 2
        assert [request.query.get("page_token") for request in scene.requests] == [None, "a", "b", "c"]

    def test_a_page_without_next_page_is_the_last(self, scene: Scene) -> None:
        scene.respond_with(200, {"items": [IMAGE]})
        assert len(list(scene.images.image_list_iter())) == 1

    @pytest.mark.parametrize("start", [None, "t0", "c0"])
    @pytest.mark.parametrize("cycle", [1, 2, 3, 5, 8])
    @pytest.mark.parametrize("before", [0, 1, 2, 5])
    def test_a_token_that_leads_back_to_an_earlier_page_is_an_error(
        self, scene: Scene, before: int, cycle: int, start: str | None
    ) -> None:
        circle = [f"c{number}" for number in range(cycle)]
        self.serve(scene, *(f"t{number}" for number in range(1, before + 1)), *circle * 20)
        pager = scene.images.image_list_iter(page_token=start)
        seen: list[oxide.Image] = []
        with pytest.raises(oxide.ApiResponseError, match="leads back") as caught:
            seen.extend(pager)
        assert caught.value.operation == "image_list"
        assert not caught.value.may_have_acted
        # The fetched images come before the error, and the error is raised again afterwards.
        count = len(scene.requests)
        assert len(seen) == count
        with pytest.raises(oxide.ApiResponseError):
            next(pager)
        assert len(scene.requests) == count
        assert count <= 3 * (before + cycle) + 1

    @pytest.mark.parametrize("start", [None, "a"])
    def test_a_page_that_leads_to_itself_is_not_fetched_again(self, scene: Scene, start: str | None) -> None:
        self.serve(scene, "a", "a")
        with pytest.raises(oxide.ApiResponseError, match="leads back"):
            list(scene.images.image_list_iter(page_token=start))
        assert [request.query.get("page_token") for request in scene.requests] == (
            [None, "a"] if start is None else ["a"]
        )

    def test_an_empty_token_marks_the_last_page(self, scene: Scene) -> None:
        self.serve(scene, "")
        pager = scene.images.image_list_iter()
        assert [image.name for image in pager] == [IMAGE["name"]]
        assert list(pager) == []
        assert list(pager.pages()) == []
        assert len(scene.requests) == 1

    @pytest.mark.parametrize("length", [2**13 + 1, 2**20])
    def test_an_enormous_token_is_an_error_after_its_page(self, scene: Scene, length: int) -> None:
        self.serve(scene, "x" * length)
        pager = scene.images.image_list_iter()
        assert next(pager).name == IMAGE["name"]
        for _ in range(2):
            with pytest.raises(oxide.ApiResponseError, match=f"next_page has {length} bytes") as caught:
                next(pager)
        assert (caught.value.operation, len(str(caught.value)) < 200) == ("image_list", True)
        assert len(scene.requests) == 1

    def test_a_long_token_is_sent(self, scene: Scene) -> None:
        self.serve(scene, "x" * 2**13, None)
        assert len(list(scene.images.image_list_iter())) == 2

    def test_many_different_tokens_are_not_taken_for_a_cycle(self, scene: Scene) -> None:
        self.serve(scene, *(f"t{number}" for number in range(300)), None)
        assert len(list(scene.images.image_list_iter())) == 301


class TestThreads:
    """Threads that share a pager divide its images among them."""

    @pytest.mark.parametrize("by_page", [True, False])
    def test_each_image_goes_to_one_thread_and_none_is_lost(self, scene: Scene, by_page: bool) -> None:
        expected = fill(scene, 240)
        pager = scene.images.image_list_iter(project="my-project", limit=7)
        start = threading.Barrier(8)

        def take(number: int) -> list[str]:
            start.wait()
            if by_page:
                return [image.name for page in pager.pages() for image in page.items]
            return names(pager)

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                taken = [name for part in pool.map(take, range(8)) for name in part]
        finally:
            sys.setswitchinterval(before)
        assert sorted(taken) == expected
        assert len(listings(scene)) == math.ceil(240 / 7) + 1

    def test_a_failure_in_one_thread_loses_nothing_for_the_others(self, scene: Scene) -> None:
        expected = fill(scene, 60)
        pager = scene.images.image_list_iter(project="my-project", limit=2)
        scene.simulator.fail_next(Answer(500), times=3)
        failures: list[int] = []

        def take(number: int) -> list[str]:
            taken: list[str] = []
            while True:
                try:
                    taken.extend(image.name for image in pager)
                except oxide.ServiceException:
                    failures.append(number)
                else:
                    return taken

        with ThreadPoolExecutor(4) as pool:
            taken = [name for part in pool.map(take, range(4)) for name in part]
        assert len(failures) == 3
        assert sorted(taken) == expected

    def test_using_a_pager_while_it_fetches_is_an_error(self, scene: Scene) -> None:
        """This happens with greenlets in one thread, or in a token callable."""
        fill(scene, 3)

        def token() -> str:
            with pytest.raises(oxide.ApiValueError, match="is fetching a page"):
                next(pager)
            return scene.simulator.token

        pager = scene.images.image_list_iter(project="my-project", limit=2, _request_auth=token)
        assert len(list(pager)) == 3


@pytest.mark.parametrize("place", ["token", "jitter", "sleep", "clock"])
def test_stop_iteration_from_a_token_callable_does_not_end_a_listing(scene: Scene, place: str) -> None:
    """A listing that ended there would look complete, and so would a `map` of calls."""
    for number in range(5):
        scene.simulator.create_image(f"image-{number}")
    settings: dict[str, Any] = {"access_token": scene.simulator.token}
    options: dict[str, Any] = {}
    exhausted = iter(()).__next__
    if place == "token":
        settings["access_token"] = iter([scene.simulator.token]).__next__
    else:
        options[place] = exhausted if place != "sleep" else lambda _: exhausted()
    client = oxide.ApiClient(oxide.Configuration(scene.simulator.url, **settings), **options)
    if place in {"jitter", "sleep"}:
        scene.respond_with(503, times=2)
    images = oxide.ImagesApi(client)
    with client:
        for calls in (images.image_list_iter(limit=2), map(images.image_view, ["image-0", "image-1"])):
            with pytest.raises(
                RuntimeError, match="a callable of the program raised StopIteration"
            ) as caught:
                list(calls)
            assert isinstance(caught.value.__cause__, StopIteration)
