"""Mistakes that both type checkers must find: a comment that suppresses nothing is itself an error to them."""

from uuid import UUID

import oxide
from oxide import ApiClient, Configuration, ImageCreate, ImagesApi, ImageSource, NameOrId, NameOrIdSortMode


def make(images: ImagesApi, configuration: Configuration) -> None:
    """Make one mistake in each line."""
    oxide.ImageApi  # type: ignore[attr-defined]  # noqa: B018 - no such name
    images.image_lst()  # type: ignore[attr-defined]  # no such operation
    images.image_list(sort="name_ascending")  # type: ignore[call-arg]  # no such parameter
    images.image_list(limit="10")  # type: ignore[arg-type]  # not a number
    images.image_view()  # type: ignore[call-arg]  # no image
    images.image_view(12)  # type: ignore[arg-type]  # neither name nor ID
    images.image_view(None)  # type: ignore[arg-type]  # no image either
    images.image_view("debian-13", project=images.image_view("debian-13"))  # type: ignore[arg-type]  # no project
    images.image_view_with_http_info("debian-13", porject="a")  # type: ignore[call-arg]  # no such parameter
    images.image_view_without_preload_content(12)  # type: ignore[arg-type]  # neither name nor ID
    images.image_list(sort_by=5)  # type: ignore[arg-type]  # neither a mode nor its text
    images.image_list_iter(page_size=5)  # type: ignore[call-arg]  # no such parameter
    images.image_list_iter(limit=5).items  # type: ignore[attr-defined]  # noqa: B018 - a pager is no page
    list(images.image_list())  # type: ignore[call-overload]  # the images are in `items`
    for _ in images.image_list():  # type: ignore[misc]  # the same
        pass
    images.image_ensure_absent(5)  # type: ignore[arg-type]  # neither name nor ID
    images.image_ensure_location("debian-13", "web", "build")  # type: ignore[call-arg]  # source goes by its name
    images.image_demote("debian-13", None)  # type: ignore[arg-type]  # no project to demote to
    images.image_demote("debian-13")  # type: ignore[call-arg]  # no project to demote to
    images.image_create("debian-13")  # type: ignore[arg-type]  # not an ImageCreate
    images.image_delete("debian-13", _request_timeot=1)  # type: ignore[call-arg]  # a misspelled option
    images.image_delete("debian-13", _request_timeout="1")  # type: ignore[arg-type]  # not seconds
    images.image_delete("debian-13", _request_auth={"type": "bearer"})  # type: ignore[arg-type]  # as generated clients
    images.image_delete("debian-13", _headers={"x-job": 5})  # type: ignore[dict-item]  # not text
    images.image_delete("debian-13", _content_type="application/json")  # type: ignore[call-arg]  # no such option
    images.image_view("debian-13").nme  # type: ignore[attr-defined]  # noqa: B018 - no such field
    images.image_view_with_http_info("debian-13").name  # type: ignore[attr-defined]  # noqa: B018 - it is in `data`
    images.image_list(sort_by=NameOrIdSortMode.NAME)  # type: ignore[attr-defined]  # no such mode
    NameOrId()  # type: ignore[call-arg]  # neither name nor ID
    ImageSource(id=UUID(int=0), type="url")  # type: ignore[arg-type]  # no such source
    ImageCreate(name="debian-13")  # type: ignore[call-arg]  # four fields are missing
    Configuration(timeot=1)  # type: ignore[call-arg]  # a misspelled setting
    Configuration(timeout="1")  # type: ignore[arg-type]  # not seconds
    Configuration("https://my.rack", "token")  # type: ignore[call-arg]  # only the host by position
    Configuration.from_environment(timeot=1)  # type: ignore[call-arg]  # a misspelled setting
    Configuration.from_environment(timeout="1")  # type: ignore[arg-type]  # not seconds
    Configuration.from_environment(access_token="x")  # type: ignore[call-arg]  # it is `token=` here
    ImagesApi.from_environment(timeot=1)  # type: ignore[call-arg]  # a misspelled setting
    ImagesApi.from_environment(max_retries="1")  # type: ignore[arg-type]  # not a number
    ImagesApi.from_environment(access_token="x")  # type: ignore[call-arg]  # it is `token=` here
    ApiClient("https://my.rack")  # type: ignore[arg-type]  # no Configuration
    ApiClient(configuration, slep=print)  # type: ignore[call-arg]  # a misspelled option
    ApiClient(configuration, clock=5)  # type: ignore[arg-type]  # not callable
    ImagesApi("https://my.rack")  # type: ignore[arg-type]  # no ApiClient
    ImagesApi(configuration)  # type: ignore[arg-type]  # no ApiClient either
    configuration.timeout = "1"  # type: ignore[assignment]  # not seconds
    configuration.timeot = 1  # type: ignore[attr-defined]  # a misspelled setting
    images.api_client.cookie = "a=b"  # type: ignore[attr-defined]  # as generated clients
