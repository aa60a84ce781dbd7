"""Encodes arguments as path, query and body: pure functions that refuse whatever the server would."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic import ValidationError

from oxide._call.operation import Operation
from oxide._identifiers import name_or_id, plain_uuid
from oxide.exceptions import ApiTypeError, ApiValueError
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.name_or_id import NameOrId
from oxide.models.name_or_id_sort_mode import NameOrIdSortMode

_MAX_LIMIT = 2**32 - 1
_ENCODERS: dict[str, Callable[[str, Any], str]]


def encode_target(operation: Operation[Any], arguments: Mapping[str, Any]) -> str:
    """Return path and query of a request; arguments that are None are left out of the query.

    Raises:
        ApiTypeError: an argument of the wrong type.
        ApiValueError: a value that the server would refuse.
    """
    path = operation.path
    if "image" in arguments:
        path = path.replace("{image}", encode_image("image", arguments["image"]))
    query = "&".join(
        f"{name}={_ENCODERS[name](name, arguments[name])}"
        for name in operation.query
        if arguments[name] is not None or name in operation.required
    )
    return f"{path}?{query}" if query else path


def encode_body(operation: Operation[Any], value: Any) -> bytes:
    """Return the JSON of a request body, given as its model, as an equivalent mapping, or as the JSON itself."""
    if isinstance(value, bytes):
        return value
    return checked_body(operation, value).to_json().encode()


def checked_body(operation: Operation[Any], value: Any) -> ImageCreate:
    """Return a request body as its model, validated again since a model may have been built without validation.

    Raises:
        ApiTypeError: it is neither a model nor a mapping.
        ApiValueError: it breaks a rule; the message names every field and its rule.
    """
    model = operation.body
    assert model is not None  # noqa: S101 - only called for operations with a body
    if not isinstance(value, (ImageCreate, Mapping)):
        message = f"{operation.id}: expected {model.__name__} or a dict, got {type(value).__name__}"
        raise ApiTypeError(message)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [
            problem_at(line["loc"], line["msg"].removeprefix("Value error, "))
            for line in error.errors(include_url=False, include_input=False)
        ]
        message = f"{operation.id}: {'; '.join(problems)}"
    raise ApiValueError(message)


def encode_identifier(name: str, value: Any, kinds: str = "NameOrId, str or UUID") -> str:
    """Return a name, or an ID in canonical form; both are safe in path and query as they are."""
    if isinstance(value, str):
        try:
            return str(name_or_id(value))
        except ValueError as error:
            problem = str(error)
        message = f"{name}: {value[:80]!r} is neither a name nor an ID: {problem}"
        raise ApiValueError(message)
    if isinstance(value, UUID):
        return str(plain_uuid(value))
    if isinstance(value, NameOrId):
        # It may be missing if the model was built without validation.
        return encode_identifier(name, getattr(value, "actual_instance", None), kinds)
    message = f"{name}: expected {kinds}, got {type(value).__name__}"
    raise ApiTypeError(message)


def encode_image(name: str, value: Any) -> str:
    """Return an identifier; that of an `Image` is its ID."""
    identifier = getattr(value, "id", None) if isinstance(value, Image) else value
    return encode_identifier(name, identifier, "Image, NameOrId, str or UUID")


def _limit(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{name}: expected int, got {type(value).__name__}"
        raise ApiTypeError(message)
    if not 1 <= value <= _MAX_LIMIT:
        message = f"{name}: must be 1 to {_MAX_LIMIT}"
        raise ApiValueError(message)
    return str(int(value))


def _page_token(name: str, value: Any) -> str:
    if not isinstance(value, str):
        message = f"{name}: expected str, got {type(value).__name__}"
        raise ApiTypeError(message)
    try:
        encoded = quote(value, safe="")
    except UnicodeEncodeError:
        encoded = ""
    if not encoded:
        message = f"{name}: must be a next_page that the server sent"
        raise ApiValueError(message)
    return encoded


def _sort_mode(name: str, value: Any) -> str:
    if not isinstance(value, str):
        message = f"{name}: expected NameOrIdSortMode or str, got {type(value).__name__}"
        raise ApiTypeError(message)
    try:
        return NameOrIdSortMode(value).value
    except ValueError:
        message = f"{name}: must be one of {', '.join(NameOrIdSortMode)}, not {value[:80]!r}"
    raise ApiValueError(message)


_ENCODERS = {"limit": _limit, "page_token": _page_token, "project": encode_identifier, "sort_by": _sort_mode}


def problem_at(location: tuple[int | str, ...], problem: str) -> str:
    """Return a problem with its place in the document, as in `items[3].version: missing`."""
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{parts.removeprefix('.')}: {problem}" if parts else problem
