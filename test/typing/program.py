"""A program as users write it: both type checkers must find nothing in it, and infer these types."""

from collections.abc import Iterator
from typing import assert_type
from uuid import UUID

import oxide
from oxide import (
    ApiClient,
    ApiException,
    ApiResponse,
    BlockSize,
    Configuration,
    Image,
    ImageCreate,
    ImagePager,
    ImageResultsPage,
    ImagesApi,
    ImageSource,
    NameOrId,
    NameOrIdSortMode,
    RESTResponse,
)
from oxide.models.image_create import ImageCreate as SameImageCreate
from oxide.rest import ApiException as SameApiException
from oxide.testing import Simulator


def configure() -> Configuration:
    """Make a configuration with settings of the generated interface and of this one."""
    return Configuration(
        host="https://rack.example",
        access_token=lambda: "a token read anew for each attempt",
        ssl_ca_cert="ca.pem",
        timeout=30.0,
        max_retries=3,
        application=("inventory", "1.0"),
    )


def every_operation(images: ImagesApi, snapshot: UUID) -> None:
    """Call the six operations in their plain form, with identifiers and arguments of each type."""
    wanted = ImageCreate(
        name="debian-13", description="", os="debian", version="13", source=ImageSource(id=snapshot)
    )
    image = images.image_create(wanted, project="my-project")
    assert_type(image, Image)
    assert_type(images.image_create(wanted.to_dict()), Image)
    assert_type(images.image_view(image), Image)
    assert_type(images.image_view(image.id), Image)
    assert_type(images.image_view("debian-13", project=NameOrId("my-project")), Image)
    assert_type(images.image_promote(image), Image)
    assert_type(images.image_demote(image, "my-project"), Image)
    page = images.image_list(limit=10, project="my-project", sort_by=NameOrIdSortMode.NAME_ASCENDING)
    assert_type(page, ImageResultsPage)
    assert_type(page.items, list[Image])
    assert_type(page.next_page, str | None)
    images.image_delete(image, _request_timeout=10, _headers={"x-request-id": "1"})


def every_form(images: ImagesApi) -> None:
    """Call an operation in its other two forms, and delete, whose data is None."""
    assert_type(images.image_view_with_http_info("debian-13", _request_timeout=(5, 60)), ApiResponse[Image])
    assert_type(images.image_view_with_http_info("debian-13").data, Image)
    assert_type(images.image_delete_with_http_info("debian-13"), ApiResponse[None])
    with images.image_list_without_preload_content(_request_auth="another token") as response:
        assert_type(response, RESTResponse)
        assert_type(response.read(), bytes)


def every_page(images: ImagesApi) -> Iterator[str]:
    """Yield the names of all images."""
    pager = images.image_list_iter(project="my-project", sort_by="id_ascending", limit=100)
    assert_type(pager, ImagePager)
    for image in pager:
        assert_type(image, Image)
        assert_type(image.block_size, BlockSize)
        assert_type(image.project_id, UUID | None)
        yield image.name


def every_error(images: ImagesApi) -> str | None:
    """Tell what went wrong."""
    try:
        images.image_view("debian-13")
    except oxide.NotFoundException as error:
        assert_type(error.error_code, str | None)
        return error.request_id
    except oxide.ApiTimeoutError as error:
        return str(error)
    except ApiException as error:
        assert_type(error.status, int | None)
        return error.message
    return None


def main() -> None:
    """Use clients as context managers, made in each of the three ways."""
    assert_type(ImageCreate, type[SameImageCreate])
    assert_type(ApiException, type[SameApiException])
    with ImagesApi.from_environment(profile="work", timeout=10) as images:
        assert_type(images, ImagesApi)
        every_form(images)
    with ApiClient(configure()) as client:
        print(*every_page(ImagesApi(client)), every_error(ImagesApi(client)))
    with Simulator() as simulator, ApiClient(simulator.configuration()) as client:
        project = simulator.create_project("my-project")
        every_operation(ImagesApi(client), simulator.create_snapshot("my-snapshot", project=project))
