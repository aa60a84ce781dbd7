"""Makes the OpenAPI document of the service.

For images, its paths come from the table of operations and its schemas from the models. It is stricter than the real
service's document where the service is stricter than that: in the rule for names, and in the lengths of texts.
"""

import inspect
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from oxide._call.operation import Operation
from oxide._identifiers import NAME_MAX_BYTES
from oxide._operations import OPERATIONS
from oxide.api.images_api import ImagesApi
from oxide.models import Error, Image, ImageCreate, ImageResultsPage, NameOrIdSortMode
from oxide.testing._api_version import NEWEST_API_VERSION
from oxide.testing._openapi_disks import SCHEMAS, disk_paths
from oxide.testing._routing import SUCCESS_STATUSES

_Schema = dict[str, Any]

_NAME_PATTERN: Final = (
    "^(?![0-9a-f]{32}$|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$)"
    "[a-z]([a-z0-9-]*[a-z0-9])?$"
)


def _ref(schema: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


_PARAMETERS: Final[dict[str, _Schema]] = {
    "image": {"in": "path", "schema": _ref("NameOrId")},
    "limit": {
        "in": "query",
        "schema": {"type": "integer", "format": "uint32", "minimum": 1, "nullable": True},
    },
    "page_token": {"in": "query", "schema": {"type": "string", "nullable": True}},
    "project": {"in": "query", "schema": _ref("NameOrId")},
    "sort_by": {"in": "query", "schema": _ref("NameOrIdSortMode")},
}


@cache
def openapi_document() -> _Schema:
    """Return the OpenAPI document."""
    paths: dict[str, _Schema] = {}
    for operation in OPERATIONS:
        if not operation.id.startswith("image_"):
            continue
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Oxide images, simulated", "version": NEWEST_API_VERSION},
        "security": [{"token": []}],
        "paths": paths | disk_paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {"Error": {"description": "Error", "content": _json("Error")}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation[Any]) -> _Schema:
    status = SUCCESS_STATUSES[operation.id]
    success: _Schema = {"description": HTTPStatus(status).phrase}
    if operation.result is not type(None):
        success["content"] = _json(operation.result.__name__)
    document: _Schema = {
        "tags": ["images"],
        "operationId": operation.id,
        "summary": (inspect.getdoc(getattr(ImagesApi, operation.id)) or "").splitlines()[0],
        "parameters": [
            {
                "name": name,
                **_PARAMETERS[name],
                "required": name not in operation.query or name in operation.required,
            }
            for name in operation.parameters
        ],
        "responses": {
            str(status): success,
            "4XX": {"$ref": "#/components/responses/Error"},
            "5XX": {"$ref": "#/components/responses/Error"},
        },
    }
    if operation.body is not None:
        document["requestBody"] = {"required": True, "content": _json(operation.body.__name__)}
    return document


def _json(schema: str) -> _Schema:
    return {"application/json": {"schema": _ref(schema)}}


def _schemas() -> dict[str, _Schema]:
    _, definitions = models_json_schema(
        [(model, "validation") for model in (Error, Image, ImageCreate, ImageResultsPage)],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, _Schema] = {
        name: _openapi_3_0(schema) for name, schema in definitions["$defs"].items()
    }
    # The models have these rules in Python code, or leave them to the service because they only receive the values.
    name, byte_count = _ref("Name"), _ref("ByteCount")
    schemas["Image"]["properties"] |= {"name": name, "size": byte_count}
    schemas["ImageCreate"]["properties"] |= {"name": name}
    schemas["ImageSource"]["required"] = ["id", "type"]
    schemas["Error"]["properties"]["error_code"] = {"type": "string"}
    schemas["ByteCount"] = {"type": "integer", "format": "uint64", "minimum": 0}
    schemas["Name"] = {
        "type": "string",
        "minLength": 1,
        "maxLength": NAME_MAX_BYTES,
        "pattern": _NAME_PATTERN,
    }
    schemas["NameOrId"] = {"oneOf": [{"type": "string", "format": "uuid"}, name]}
    schemas["NameOrIdSortMode"] = {"type": "string", "enum": [mode.value for mode in NameOrIdSortMode]}
    return dict(sorted((schemas | SCHEMAS).items()))


def _openapi_3_0(schema: _Schema) -> _Schema:
    """Return a pydantic schema converted to OpenAPI 3.0, without the texts for Python readers."""
    converted: _Schema = {}
    for key, value in schema.items():
        match key:
            case "additionalProperties" | "default" | "description" | "title":
                pass
            case "properties":
                converted[key] = {name: _openapi_3_0(member) for name, member in value.items()}
            case "items":
                converted[key] = _openapi_3_0(value)
            case "anyOf":
                (choice,) = (_openapi_3_0(choice) for choice in value if choice != {"type": "null"})
                converted |= {"allOf": [choice]} if "$ref" in choice else choice
                converted["nullable"] = True
            case "const":
                converted["enum"] = [value]
            case _:
                converted[key] = value
    return converted
