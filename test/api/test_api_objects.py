"""Tests of API objects: how they are made, printed and closed."""

import gc
import weakref
from typing import Any

import pytest

import oxide
from oxide.testing import Simulator

CONFIGURATION = oxide.Configuration("https://rack.example", access_token="s3cret")


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("https://rack.example", r"ImagesApi\.from_environment\(\)"),
        (CONFIGURATION, r"ImagesApi\(ApiClient\(configuration\)\)"),
        (oxide.ApiClient, r"ImagesApi\.from_environment\(\)"),
        (5, r"ImagesApi\.from_environment\(\)"),
        ({}, r"ImagesApi\.from_environment\(\)"),
        (False, r"ImagesApi\.from_environment\(\)"),
    ],
    ids=repr,
)
def test_passing_anything_but_a_client_is_refused_with_advice(given: Any, instead: str) -> None:
    with pytest.raises(
        oxide.ApiTypeError, match=f"^ImagesApi: expected an ApiClient, got [a-zA-Z]+; use {instead}$"
    ) as caught:
        oxide.ImagesApi(given)
    assert "s3cret" not in str(caught.value)


def test_passing_another_api_instead_of_its_client_is_refused() -> None:
    with oxide.ApiClient(CONFIGURATION) as client:
        images: Any = oxide.ImagesApi(client)
        with pytest.raises(
            oxide.ApiTypeError, match=r"got ImagesApi; use ImagesApi\(images_api\.api_client\)$"
        ):
            oxide.ImagesApi(images)


def test_the_repr_shows_only_host_and_state() -> None:
    client = oxide.ApiClient(CONFIGURATION)
    images = oxide.ImagesApi(client)
    assert repr(images) == str(images) == "<ImagesApi with <ApiClient https://rack.example, open>>"
    assert repr(oxide.ImagesApi.__new__(oxide.ImagesApi)) == "<ImagesApi with None>"
    client.close()
    assert repr(images) == "<ImagesApi with <ApiClient https://rack.example, closed>>"


def test_close_closes_a_client_that_the_api_made() -> None:
    with Simulator() as simulator:
        images = oxide.ImagesApi.from_environment(simulator.url, simulator.token)
        assert images.image_list().items == []
        for _ in range(2):
            images.close()
        with pytest.raises(oxide.ApiValueError, match="closed"):
            images.image_list()


def test_close_leaves_open_a_client_that_was_passed_in() -> None:
    with Simulator() as simulator, oxide.ApiClient(simulator.configuration()) as client:
        images = oxide.ImagesApi(client)
        images.close()
        with images:
            pass
        assert images.image_list().items == []


def test_objects_support_weak_references_and_form_no_cycles() -> None:
    """When a service that holds a client is freed, so is the client."""
    gc.disable()
    try:
        client = oxide.ApiClient(CONFIGURATION)
        images = oxide.ImagesApi(client)
        pager = images.image_list_iter()
        references = [weakref.ref(thing) for thing in (client, images, pager)]
        client.close()
        del client, images, pager
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()
