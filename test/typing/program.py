"""A program as users write it: both type checkers must find nothing in it, and infer these types."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Unpack, assert_type
from uuid import UUID

import oxide
from oxide import (
    ApiClient,
    ApiException,
    ApiResponse,
    Attempt,
    BlockSize,
    Configuration,
    DigestType,
    Image,
    ImageCreate,
    ImagePager,
    ImageResultsPage,
    ImagesApi,
    ImageSource,
    NameOrId,
    NameOrIdSortMode,
    RequestOptions,
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
        timeout=timedelta(seconds=30),
        connect_timeout=3,
        max_retries=3,
        application=("inventory", "1.0"),
    )


def every_setting(configuration: Configuration) -> None:
    """Read settings, which may have another type than what was set, and set them."""
    assert_type(configuration.host, str)
    assert_type(configuration.timeout, float | None)
    assert_type(configuration.max_retries, int)
    assert_type(configuration.access_token, str | Callable[[], str] | None)
    assert_type(configuration.verify_ssl, bool)
    configuration.read_timeout = timedelta(minutes=1)
    configuration.access_token = "another token"


def every_operation(images: ImagesApi, snapshot: UUID) -> None:
    """Call the six operations in their plain form, with identifiers and arguments of each type."""
    wanted = ImageCreate(
        name="debian-13", description="", os="debian", version="13", source=ImageSource(id=snapshot)
    )
    image = images.image_create(wanted, project="my-project")
    assert_type(image, Image)
    assert_type(images.image_create(wanted.to_dict()), Image)
    assert_type(images.image_ensure(wanted, "my-project"), Image)
    assert_type(images.image_ensure_absent("debian-12", "my-project"), bool)
    assert_type(images.image_ensure_location(image, "my-project"), Image)
    assert_type(images.image_ensure_location("debian-13", source="my-project", _request_timeout=5), Image)
    every_model(image)
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


def every_form(images: ImagesApi, wanted: Mapping[str, object], **options: Unpack[RequestOptions]) -> None:
    """Call the operations in their other two forms, and delete, whose data is None."""
    assert_type(images.image_create_with_http_info(wanted, "my-project", **options), ApiResponse[Image])
    assert_type(images.image_delete_with_http_info("debian-13", **options), ApiResponse[None])
    assert_type(images.image_demote_with_http_info("debian-13", "my-project"), ApiResponse[Image])
    assert_type(images.image_list_with_http_info(limit=5), ApiResponse[ImageResultsPage])
    assert_type(images.image_promote_with_http_info("debian-13", "my-project"), ApiResponse[Image])
    with_info = images.image_view_with_http_info("debian-13", _request_timeout=(5, 60))
    assert_type(with_info, ApiResponse[Image])
    assert_type(with_info.data, Image)
    assert_type(with_info.status_code, int)
    assert_type(with_info.headers, Mapping[str, str])
    assert_type(with_info.raw_data, bytes)
    with images.image_list_without_preload_content(_request_auth="another token") as response:
        assert_type(response, RESTResponse)
        assert_type(response.read(), bytes)
    for unread in (
        images.image_create_without_preload_content(wanted),
        images.image_delete_without_preload_content("debian-13"),
        images.image_demote_without_preload_content("debian-13", "my-project"),
        images.image_promote_without_preload_content("debian-13"),
        images.image_view_without_preload_content("debian-13", _request_auth=lambda: "another token"),
    ):
        assert_type(unread, RESTResponse)
        assert_type(unread.data, bytes)
        assert_type(unread.status, int)


def every_model(image: Image) -> None:
    """Convert models, and read what a newer server may send."""
    assert_type(Image.from_dict(image.to_dict()), Image)
    assert_type(Image.from_json(image.to_json()), Image)
    assert_type(image.to_dict(), dict[str, Any])
    assert_type(image.to_str(), str)
    assert_type(BlockSize(8192).is_unknown, bool)
    assert_type(image.time_created, datetime)
    if image.digest is not None:
        assert_type(image.digest.type, DigestType)
    assert_type(NameOrId("my-project").actual_instance, UUID | str)


def every_page(images: ImagesApi) -> Iterator[str]:
    """Yield the names of all images."""
    pager = images.image_list_iter(project="my-project", sort_by="id_ascending", limit=100)
    assert_type(pager, ImagePager)
    assert_type(next(pager), Image)
    assert_type(pager.page_token, str | None)
    for page in images.image_list_iter(page_token=pager.page_token).pages():
        assert_type(page, ImageResultsPage)
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
        assert_type(error.body, str | bytes | None)
        assert_type(error.headers, Mapping[str, str] | None)
        assert_type(error.retry_after, float | None)
        assert_type(error.attempts, tuple[Attempt, ...])
        return error.message
    return None


def main() -> None:
    """Use clients as context managers, made in each of the three ways."""
    assert_type(ImageCreate, type[SameImageCreate])
    assert_type(ApiException, type[SameApiException])
    with ImagesApi.from_environment(profile="work", timeout=10) as images:
        assert_type(images, ImagesApi)
        every_form(images, {"name": "debian-13"}, _headers={"x-job": "nightly"})
    every_setting(configure())
    with ApiClient(configure()) as client:
        print(*every_page(ImagesApi(client)), every_error(ImagesApi(client)))
    with Simulator() as simulator, ApiClient(simulator.configuration()) as client:
        project = simulator.create_project("my-project")
        every_operation(ImagesApi(client), simulator.create_snapshot("my-snapshot", project=project))
