"""The six operations, as the documentation of a generated client shows them."""
# Most such programs have no types.
# mypy: ignore-errors
# ruff: noqa: BLE001, UP031 - the style of that documentation

import os
from pprint import pprint

import oxide
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.image_results_page import ImageResultsPage
from oxide.models.image_source import ImageSource
from oxide.models.name_or_id import NameOrId
from oxide.models.name_or_id_sort_mode import NameOrIdSortMode
from oxide.rest import ApiException

# Defining the host is optional and defaults to http://localhost
# See configuration.py for a list of all supported configuration parameters.
configuration = oxide.Configuration(host=os.environ["OXIDE_HOST"])
configuration.access_token = os.environ["OXIDE_TOKEN"]


def show(image: Image) -> None:
    """Print what does not change from run to run."""
    pprint(
        {
            name: value
            for name, value in image.to_dict().items()
            if name in {"block_size", "description", "digest", "name", "os", "size", "version"}
        }
    )
    print("in a project:", image.project_id is not None)


# Enter a context with an instance of the API client
with oxide.ApiClient(configuration) as api_client:
    api_client.set_default_header("Authorization", "Bearer " + os.environ["OXIDE_TOKEN"])
    # Create an instance of the API class
    api_instance = oxide.ImagesApi(api_client)
    project = oxide.NameOrId("my-project")

    for name in ("alpine", "busybox", "coreos"):
        image_create = oxide.ImageCreate(
            name=name,
            description="made from a snapshot",
            os="linux",
            version="1.0",
            source=oxide.ImageSource(type="snapshot", id=os.environ["SNAPSHOT_ID"]),
        )
        try:
            api_response = api_instance.image_create(image_create, project=project)
            print("The response of ImagesApi->image_create:\n")
            show(api_response)
        except Exception as e:
            print("Exception when calling ImagesApi->image_create: %s\n" % e)

    image = oxide.NameOrId("alpine")
    try:
        api_response = api_instance.image_view(image, project=project)
        print("The response of ImagesApi->image_view:\n")
        show(api_response)
        by_id = api_instance.image_view(NameOrId(api_response.id))
        print(by_id == api_response, isinstance(by_id, Image))
    except Exception as e:
        print("Exception when calling ImagesApi->image_view: %s\n" % e)

    limit = 2
    sort_by = oxide.NameOrIdSortMode.NAME_DESCENDING
    try:
        page = api_instance.image_list(limit=limit, project=project, sort_by=sort_by)
        print("The response of ImagesApi->image_list:\n")
        print(type(page) is ImageResultsPage, [item.name for item in page.items])
        while page.next_page:
            page = api_instance.image_list(limit=limit, page_token=page.next_page)
            print([item.name for item in page.items])
        by_text = api_instance.image_list(None, None, project, "id_ascending")
        print([item.id for item in by_text.items] == sorted(item.id for item in by_text.items))
        print(NameOrIdSortMode.ID_ASCENDING == "id_ascending")
    except Exception as e:
        print("Exception when calling ImagesApi->image_list: %s\n" % e)

    try:
        api_response = api_instance.image_promote(image, project=project)
        print("The response of ImagesApi->image_promote:\n")
        show(api_response)
        print([item.name for item in api_instance.image_list().items])
    except Exception as e:
        print("Exception when calling ImagesApi->image_promote: %s\n" % e)

    try:
        api_response = api_instance.image_demote(image, oxide.NameOrId("other-project"))
        print("The response of ImagesApi->image_demote:\n")
        show(api_response)
    except Exception as e:
        print("Exception when calling ImagesApi->image_demote: %s\n" % e)

    try:
        print(api_instance.image_delete(oxide.NameOrId("busybox"), project=project))
        api_instance.image_delete(image, oxide.NameOrId("other-project"))
        print([item.name for item in api_instance.image_list(project="my-project").items])
    except Exception as e:
        print("Exception when calling ImagesApi->image_delete: %s\n" % e)

    # Dictionaries and plain identifiers do as well.
    body = ImageCreate(
        name="debian",
        description="",
        os="debian",
        version="13",
        source=ImageSource(id=os.environ["SNAPSHOT_ID"], type="snapshot"),
    ).to_dict()
    try:
        api_response = api_instance.image_create(body, "my-project")
        show(api_instance.image_view(api_response.id))
    except ApiException as e:
        print("Exception when calling ImagesApi->image_create: %s\n" % e)
