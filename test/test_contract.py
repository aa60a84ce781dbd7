"""The tool that compares a published OpenAPI document with the client finds each kind of difference."""

import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from contract.beliefs import Belief, beliefs
from contract.comparing import Comparison, compare
from contract.documents import NotComparableError, parse_document
from contract.shapes import shape_of_model
from pydantic import Field

from oxide.models._model import RequestModel, ResponseModel

ROOT: Final = Path(__file__).parent.parent
PATH: Final = Path(__file__).parent / "published.openapi.json"
PUBLISHED: Final = json.loads(PATH.read_text("utf-8"))
COUNT: Final = sum(map(len, PUBLISHED["paths"].values()))
GONE: Final = object()
LIST: Final = "paths /v1/images get"
CREATE: Final = "paths /v1/images post"
VIEW: Final = "paths /v1/images/{image} get"
DELETE: Final = "paths /v1/images/{image} delete"
DEMOTE: Final = "paths /v1/images/{image}/demote post"
SCHEMAS: Final = "components schemas"


def changed(*changes: tuple[str, Any]) -> Any:
    """Return a copy of the document with other values at some places, or with nothing for `GONE`."""
    document = copy.deepcopy(PUBLISHED)
    for place, value in changes:
        *way, last = (int(part) if part.isdigit() else part for part in place.split(" "))
        found = document
        for part in way:
            found = found[part]
        if value is GONE:
            del found[last]
        elif isinstance(found, list):
            found.append(value)
        else:
            found[last] = value
    return document


def compared(*changes: tuple[str, Any], extra: tuple[Belief, ...] = ()) -> Comparison:
    public = [belief for belief in beliefs() if belief.path in PUBLISHED["paths"]]
    return compare([*public, *extra], parse_document(changed(*changes)))


def found(comparison: Comparison) -> list[tuple[str, str]]:
    return [(difference.where, difference.what) for difference in comparison.differences]


def run(path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "contract", path],
        env={"PYTHONPATH": f"{ROOT / '.ci'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_client_agrees_with_the_published_document() -> None:
    result = run(PATH)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(
        f"No differences. Compared {COUNT} operations with version 2026081901.0.0.\n"
    )


def test_differences_are_printed_with_advice(tmp_path: Path) -> None:
    document = tmp_path / "changed.json"
    document.write_text(json.dumps(changed((f"{SCHEMAS} BlockSize enum 3", 8192))))
    result = run(document)
    assert result.returncode == 1
    assert result.stdout.splitlines()[:3] == [
        "BlockSize: The value 8192 is new.",
        "    Add it to the model, the simulator and docs/.",
        f"1 difference. Compared {COUNT} operations with version 2026081901.0.0.",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "it cannot be read: No such file or directory"),
        ("{", "it is not JSON: "),
        ("[]", "it is not an OpenAPI document as Oxide publishes it: TypeError: "),
        ('{"openapi": "3.0.3"}', "it is not an OpenAPI document as Oxide publishes it: KeyError: 'paths'"),
        ('{"openapi": "2.0"}', "it is of OpenAPI 2.0, not 3"),
        (json.dumps(changed((f"{SCHEMAS} Image", GONE))), "it is not an OpenAPI document"),
        (json.dumps(changed(("info version", "latest"))), "it is not an OpenAPI document"),
        (json.dumps(changed(("paths", {}))), "it has none of the operations that the client knows"),
    ],
)
def test_a_document_that_cannot_be_compared_is_refused(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    document = tmp_path / "document.json"
    if text is not None:
        document.write_text(text)
    result = run(document)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{document}: {problem}")


STRING: Final = {"type": "string"}
PARAMETER: Final = {"in": "query", "name": "tag", "schema": STRING}


@pytest.mark.parametrize(
    ("place", "value", "where", "what"),
    [
        # Operations.
        (f"{VIEW} operationId", "image_get", "image_view", "Its name is image_get."),
        (DELETE, GONE, "image_delete", "DELETE /v1/images/{image} is gone."),
        ("info version", "2025010100.0.0", "api-version",
         "A server of this version refuses every call, since the client asks for 2025112000.0.0."),
        # Parameters.
        (f"{LIST} parameters +", PARAMETER, "image_list", "The query parameter tag is new, and optional."),
        (f"{LIST} parameters +", PARAMETER | {"required": True}, "image_list",
         "The query parameter tag is new, and required."),
        (f"{LIST} parameters +", PARAMETER | {"in": "header"}, "image_list",
         "The header parameter tag is new, and optional."),
        (f"{LIST} parameters 3", GONE, "image_list", "The query parameter sort_by is gone."),
        (f"{VIEW} parameters 1 required", True, "image_view", "The query parameter project is required."),
        (f"{DEMOTE} parameters 1 required", False, "image_demote", "The query parameter project is optional."),
        (f"{LIST} parameters 0 schema minimum", 0, "image_list",
         "The query parameter limit may be 0"),
        (f"{LIST} parameters 1 schema type", "integer", "image_list",
         "The query parameter page_token may be 0"),
        (f"{SCHEMAS} NameOrIdSortMode oneOf", [STRING | {"enum": ["name_ascending"]}, STRING], "image_list",
         "The query parameter sort_by may be 'a'"),
        # Enums.
        (f"{SCHEMAS} NameOrIdSortMode oneOf 2", GONE, "NameOrIdSortMode", "The value 'id_ascending' is gone."),
        (f"{SCHEMAS} BlockSize enum 1", GONE, "BlockSize", "The value 2048 is gone."),
        (f"{SCHEMAS} BlockSize enum +", 8192, "BlockSize", "The value 8192 is new."),
        (f"{SCHEMAS} Digest oneOf 0 properties type enum +", "md5", "Digest.type", "The value 'md5' is new."),
        # Bodies.
        (f"{CREATE} requestBody", GONE, "image_create", "It takes no JSON body."),
        (f"{DEMOTE} requestBody", PUBLISHED["paths"]["/v1/images"]["post"]["requestBody"], "image_demote",
         "It takes a JSON body."),
        (f"{SCHEMAS} ImageCreate properties tags", STRING, "ImageCreate.tags", "The field is new, and optional."),
        (f"{SCHEMAS} ImageCreate properties os", GONE, "ImageCreate.os", "The field is gone."),
        (f"{SCHEMAS} ImageCreate required 2", GONE, "ImageCreate.os", "It is optional."),
        (f"{SCHEMAS} ImageCreate properties os type", "integer", "ImageCreate.os", "It is integer, and was string."),
        (f"{SCHEMAS} ImageSource oneOf 0 properties id format", GONE, "ImageSource.id",
         "It is string, and was string (uuid)."),
        (f"{SCHEMAS} ImageSource oneOf +",
         {"properties": {"type": {"enum": ["url"]}, "url": STRING}, "required": ["type", "url"]},
         "ImageSource", "The form with type='url' is new."),
        # Responses.
        (f"{DEMOTE} responses 200", PUBLISHED["paths"]["/v1/images/{image}/demote"]["post"]["responses"]["202"],
         "image_demote", "The status of success is 202 or 200, and was 202."),
        (f"{VIEW} responses 200", {"description": "OK"}, "image_view", "A response with 200 has no JSON body."),
        (f"{DELETE} responses 204", PUBLISHED["paths"]["/v1/images"]["post"]["responses"]["201"],
         "image_delete", "A response with 204 has a JSON body."),
        (f"{SCHEMAS} Image properties tags", STRING, "Image.tags", "The field is new, and optional."),
        (f"{SCHEMAS} Image properties os", GONE, "Image.os", "The field is gone."),
        (f"{SCHEMAS} Image required 4", GONE, "Image.os", "It is optional."),
        (f"{SCHEMAS} Image properties os nullable", True, "Image.os", "It may be null; decoding that fails."),
        (f"{SCHEMAS} Image properties time_created format", GONE, "Image.time_created",
         "It is string, and was string (date-time)."),
        (f"{SCHEMAS} Image properties os format", "uuid", "Image.os", "It is string (uuid), and was string."),
        (f"{SCHEMAS} ImageResultsPage properties items", STRING, "ImageResultsPage.items",
         "It is string, and was array."),
        # Errors.
        (f"{VIEW} responses 5XX", GONE, "image_view", "A response with 5XX has no form of error."),
        (f"{VIEW} responses 302", {"description": "Found"}, "image_view",
         "A response with 302 has no form of error."),
        (f"{SCHEMAS} Error properties help", STRING, "Error.help", "The field is new, and optional."),
        (f"{SCHEMAS} Error required 1", GONE, "Error.request_id", "It is optional."),
    ],
)  # fmt: skip
def test_each_kind_of_difference_is_found_once(place: str, value: object, where: str, what: str) -> None:
    (difference,) = compared((place, value)).differences
    assert difference.where == where
    # The words of the client's own exception may follow.
    assert difference.what == what or difference.what.startswith(f"{what}: ")


def test_an_operation_that_moved_is_found_by_its_name() -> None:
    view = PUBLISHED["paths"]["/v1/images/{image}"]["get"]
    moved = compared((VIEW, GONE), ("paths /v2/images/{image}", {"get": view}))
    assert found(moved) == [
        ("image_view", "It is GET /v2/images/{image}, and the client sends GET /v1/images/{image}.")
    ]


def test_a_new_operation_on_the_same_resource_is_a_difference() -> None:
    update = copy.deepcopy(PUBLISHED["paths"]["/v1/images/{image}"]["get"]) | {"operationId": "image_update"}
    assert found(compared(("paths /v1/images/{image} put", update))) == [
        ("image_update", "PUT /v1/images/{image} is new.")
    ]


def test_operations_on_other_resources_are_not_a_difference() -> None:
    other = copy.deepcopy(PUBLISHED["paths"]["/v1/images"]["get"]) | {
        "operationId": "vpc_list",
        "tags": ["vpcs"],
    }
    assert compared(("paths /v1/vpcs", {"get": other})) == ([], [])


def test_an_optional_field_that_became_required_in_responses_is_not_a_difference() -> None:
    always = (f"{SCHEMAS} Image required +", "digest")
    assert compared(always) == ([], [])


def test_parameters_may_be_declared_apart_from_their_operation() -> None:
    place = "paths /v1/images/{image}"
    parameters = PUBLISHED["paths"]["/v1/images/{image}"]["get"]["parameters"]
    assert compared(
        (f"{VIEW} parameters", GONE),
        (f"{DELETE} parameters", GONE),
        (f"{place} parameters", [{"$ref": "#/components/parameters/image"}, parameters[1]]),
        ("components parameters", {"image": parameters[0]}),
    ) == ([], [])


def test_a_recursive_schema_can_be_read() -> None:
    parent = {"$ref": "#/components/schemas/Image"}
    assert found(compared((f"{SCHEMAS} Image properties parent", parent))) == [
        ("Image.parent", "The field is new, and optional.")
    ]


class _Source(RequestModel):
    """A private request model: the server accepts several forms, and the client sends one of them."""

    type: Literal["blank"] = "blank"
    block_size: int
    legacy: str = Field(default="", json_schema_extra={"deprecated": True})


class _Disk(ResponseModel):
    """A private response model: the client reads one of the fields that the server sends."""

    id: str


DISK: Final = Belief(
    "disk_create", "POST", "/v1/disks", {}, lambda _name, value: value, shape_of_model(_Source), shape_of_model(_Disk), None
)  # fmt: skip


def disk_create(disk: Mapping[str, Any], *sources: Mapping[str, Any]) -> tuple[str, Any]:
    def content(schema: Mapping[str, Any]) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schema}}}

    errors = PUBLISHED["paths"]["/v1/images"]["post"]["responses"]
    return "paths /v1/disks", {
        "post": {
            "operationId": "disk_create",
            "tags": ["disks"],
            "requestBody": content({"oneOf": list(sources)}),
            "responses": {"201": content(disk), "4XX": errors["4XX"], "5XX": errors["5XX"]},
        }
    }


def object_of(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


BLANK: Final = object_of(
    ("type", "block_size"), type=STRING | {"enum": ["blank"]}, block_size={"type": "integer"}
)
SNAPSHOT: Final = object_of(("type",), type=STRING | {"enum": ["snapshot"]})
A_DISK: Final = object_of(("id", "size"), id=STRING | {"format": "uuid"}, size={"type": "integer"})


def test_private_models_are_compared_in_the_fields_that_the_client_uses() -> None:
    assert compared(disk_create(A_DISK, BLANK, SNAPSHOT), extra=(DISK,)) == ([], [])


@pytest.mark.parametrize(
    ("disk", "source", "where", "what"),
    [
        (A_DISK, BLANK | {"required": ["type"]}, "_Source.block_size", "It is optional."),
        (A_DISK, object_of(("type",), type=STRING), "_Source.block_size", "The field is gone."),
        (
            A_DISK,
            object_of(("name",), **BLANK["properties"], name=STRING) | {"required": ["name", "block_size"]},
            "_Source.name",
            "The field is new, and required.",
        ),
        (object_of(()), BLANK, "_Disk.id", "The field is gone."),
        (object_of(("id",), id={"type": "integer"}), BLANK, "_Disk.id", "It is integer, and was string."),
    ],
)
def test_differences_in_private_models_are_found(
    disk: Mapping[str, Any], source: Mapping[str, Any], where: str, what: str
) -> None:
    assert found(compared(disk_create(disk, source), extra=(DISK,))) == [(where, what)]


class _Blank(ResponseModel):
    """A private model of one of the forms that the server sends."""

    type: Literal["blank"]


def test_a_result_that_became_nullable_is_a_difference() -> None:
    view = DISK._replace(result=shape_of_model(_Blank))
    forms = {"nullable": True, "oneOf": [BLANK, SNAPSHOT]}
    assert found(compared(disk_create(forms, BLANK), extra=(view,))) == [
        ("_Blank", "It may be null; decoding that fails.")
    ]


class _Finalize(RequestModel):
    """A private model with a field that can be left out, or null."""

    snapshot_name: str | None = None


@pytest.mark.parametrize(
    ("source", "found_there"),
    [
        (object_of((), snapshot_name=STRING | {"nullable": True}), []),
        (object_of((), snapshot_name=STRING), ["It must not be null."]),
        (object_of(("snapshot_name",), snapshot_name=STRING | {"nullable": True}), ["It is required."]),
    ],
)
def test_a_field_that_the_client_does_not_always_send_is_compared(
    source: Mapping[str, Any], found_there: list[str]
) -> None:
    finalize = DISK._replace(body=shape_of_model(_Finalize))
    assert found(compared(disk_create(A_DISK, source), extra=(finalize,))) == [
        ("_Finalize.snapshot_name", what) for what in found_there
    ]


def test_an_operation_missing_from_a_partial_document_is_named() -> None:
    assert compared(extra=(DISK,)) == ([], ["disk_create"])


def test_an_operation_missing_from_a_whole_document_is_a_difference() -> None:
    other = copy.deepcopy(PUBLISHED["paths"]["/v1/images"]["get"]) | {
        "operationId": "vpc_list",
        "tags": ["vpcs"],
    }
    whole = compared(("paths /v1/vpcs", {"get": other}), extra=(DISK,))
    assert found(whole) == [("disk_create", "POST /v1/disks is gone.")]


def test_a_document_without_any_of_the_operations_is_refused() -> None:
    with pytest.raises(NotComparableError, match="none of the operations"):
        compare([DISK], parse_document(PUBLISHED))
