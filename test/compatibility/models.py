"""Models alone, as the documentation of a generated client shows them."""
# Most such programs have no types.
# mypy: ignore-errors

import json
from datetime import datetime
from pprint import pprint
from uuid import UUID

from pydantic import BaseModel, ValidationError

import oxide
import oxide.models
from oxide.models.block_size import BlockSize
from oxide.models.digest import Digest
from oxide.models.error import Error
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.image_results_page import ImageResultsPage
from oxide.models.image_source import ImageSource
from oxide.models.name_or_id import NameOrId
from oxide.models.name_or_id_sort_mode import NameOrIdSortMode

DOCUMENT = {
    "block_size": 2048,
    "description": "golden",
    "digest": {"type": "sha256", "value": "00ff"},
    "id": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
    "name": "debian-13",
    "os": "debian",
    "project_id": None,
    "size": 1073741824,
    "time_created": "2026-11-01T12:00:00.000123Z",
    "time_modified": "2026-11-01T12:00:01Z",
    "version": "13",
}

# create an instance of Image from a JSON string
image_instance = Image.from_json(json.dumps(DOCUMENT))
# convert the object into a dict
image_dict = image_instance.to_dict()
pprint(
    {name: value for name, value in image_dict.items() if name != "digest" and not name.startswith("time_")}
)
# create an instance of Image from a dict
print(Image.from_dict(image_dict) == image_instance)
# the JSON string representation of the object
print(sorted(json.loads(image_instance.to_json()).items()))
print(image_instance.to_str().count("\n"))
print(repr(image_instance.id), image_instance.time_created, image_instance.project_id)
print(image_instance.id == UUID(DOCUMENT["id"]), isinstance(image_instance.time_created, datetime))
print(image_instance.block_size == 2048, image_instance.block_size is BlockSize.NUMBER_2048)
print(
    image_instance.digest.type == "sha256",
    image_instance.digest.value,
    isinstance(image_instance.digest, Digest),
)
print([isinstance(image_instance, base) for base in (oxide.Image, oxide.models.Image, BaseModel)])

image_instance.name = "debian-14"
print(image_instance.name, image_instance.model_copy(update={"os": "linux"}).os)
for name, value in (("size", "big"), ("id", "none"), ("block_size", None)):
    try:
        setattr(image_instance, name, value)
        print("taken", name)
    except ValidationError as e:
        print(e.error_count(), [error["loc"] for error in e.errors()])

page = ImageResultsPage.from_dict({"items": [DOCUMENT, DOCUMENT], "next_page": "abc"})
print(len(page.items), page.next_page, page.items[0] == Image.from_dict(DOCUMENT))
print(ImageResultsPage.from_json('{"items": []}').next_page)

error = Error(message="m", request_id="r")
print(error.error_code, error.to_dict(), Error.from_json(error.to_json()) == error)

create = ImageCreate(
    name="a", description="", os="b", version="c", source=ImageSource(id=DOCUMENT["id"], type="snapshot")
)
print(
    sorted(create.to_dict()),
    create.source.type,
    json.loads(create.to_json()) == json.loads(create.model_dump_json()),
)
print(ImageCreate.from_dict(create.to_dict()) == create, ImageCreate.from_json(create.to_json()) == create)
for bad in (
    {"name": "Bad"},
    {"name": "a", "description": "", "os": "b", "version": "c", "source": {"id": "no", "type": "snapshot"}},
    {
        "name": "a",
        "description": 5,
        "os": "b",
        "version": "c",
        "source": {"id": DOCUMENT["id"], "type": "url"},
    },
):
    try:
        ImageCreate.from_dict(bad)
        print("taken")
    except ValueError as e:
        print(type(e).__name__, isinstance(e, ValidationError))

name = NameOrId("my-project")
print(
    name.actual_instance, name.to_json(), name.to_dict(), NameOrId.from_json('"my-project"').actual_instance
)
print(repr(NameOrId(UUID(DOCUMENT["id"])).actual_instance), NameOrId(actual_instance="a").actual_instance)
for bad in ("", 5, "x" * 64, ["a"]):
    try:
        NameOrId(bad)
        print("taken", bad)
    except ValueError as e:
        print(type(e).__name__)

print([size.value for size in BlockSize], BlockSize.from_json("512").value, BlockSize(4096).name)
print([mode.value for mode in NameOrIdSortMode], NameOrIdSortMode.from_json('"id_ascending"').value)
