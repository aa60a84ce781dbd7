"""A published OpenAPI document, as far as a client needs to know it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from contract.shapes import Resolve, Shape, resolver, shape_of

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class NotComparableError(Exception):
    """The document cannot be compared with the client at all."""


class Parameter(NamedTuple):
    """A parameter of an operation, with the name of its schema if it has one."""

    required: bool
    shape: Shape


class Published(NamedTuple):
    """An operation of the document; `None` stands for a body that is not JSON or not there."""

    id: str
    method: str
    path: str
    tags: tuple[str, ...]
    parameters: Mapping[tuple[str, str], Parameter]
    """For each place (`path`, `query`, `header`) and name."""
    body: Shape | None
    responses: Mapping[str, Shape | None]
    """For each status, as text: `200`, `4XX`, `default`."""


class Document(NamedTuple):
    """The operations of a document, by their IDs."""

    version: tuple[int, ...]
    operations: Mapping[str, Published]


def read_document(path: Path) -> Document:
    """Read a document.

    Raises:
        NotComparableError: it cannot be read, or is no OpenAPI document of version 3.
    """
    try:
        return parse_document(json.loads(path.read_text("utf-8")))
    except OSError as error:
        message = f"it cannot be read: {error.strerror}"
    except ValueError as error:
        message = f"it is not JSON: {error}"
    raise NotComparableError(message)


def parse_document(document: Any) -> Document:
    """Return what a document says.

    Raises:
        NotComparableError: it is no OpenAPI document of version 3.
    """
    try:
        if not document["openapi"].startswith("3."):
            message = f"it is of OpenAPI {document['openapi']}, not 3"
            raise NotComparableError(message)
        resolve = resolver(document)
        operations = [
            _operation(method, path, {**item[method], "shared": item.get("parameters", [])}, resolve)
            for path, item in document["paths"].items()
            for method in item.keys() & set(_METHODS)
        ]
        version = tuple(int(number) for number in document["info"]["version"].split("."))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"it is not an OpenAPI document as Oxide publishes it: {type(error).__name__}: {error}"
        raise NotComparableError(message) from error
    return Document(version, {operation.id: operation for operation in operations})


def _operation(method: str, path: str, schema: Mapping[str, Any], resolve: Resolve) -> Published:
    def whole(part: Mapping[str, Any]) -> Mapping[str, Any]:
        return resolve(part["$ref"]) if "$ref" in part else part

    def body(part: Mapping[str, Any]) -> Shape | None:
        content = whole(part).get("content", {}).get("application/json")
        return None if content is None else shape_of(content.get("schema", {}), resolve)

    parameters = [whole(part) for part in (*schema["shared"], *schema.get("parameters", []))]
    return Published(
        schema["operationId"],
        method.upper(),
        path,
        tuple(schema.get("tags", ())),
        {
            (part["in"], part["name"]): Parameter(
                part.get("required", False), shape_of(part.get("schema", {}), resolve)
            )
            for part in parameters
        },
        body(schema.get("requestBody", {})),
        {str(status): body(response) for status, response in schema["responses"].items()},
    )
