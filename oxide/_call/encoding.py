"""Encodes arguments for path, query and body: pure functions that refuse whatever the server would.

An encoder is called with the name of its parameter and all arguments of the call.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import UUID

from pydantic import ValidationError

from oxide._attempt import one_line
from oxide._identifiers import PAGE_TOKEN_MAX_BYTES, name_or_id, parse_id
from oxide._identity.checks import number
from oxide._identity.secrets import masked_if_suspect
from oxide.exceptions import ApiTypeError, ApiValueError
from oxide.models._model import Model, RequestModel
from oxide.models.name_or_id import NameOrId

Encoder: TypeAlias = Callable[[str, Mapping[str, Any]], str]
_M = TypeVar("_M", bound=RequestModel)

_MAX_SHOWN: Final = 80  # bytes of a value that a message shows


def identifier(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a name, or an ID in canonical form; both are safe in path and query as they are."""
    return _identifier(name, arguments[name], "NameOrId, str or UUID")


def identifier_or(model: type[Model]) -> Encoder:
    """Return an encoder of identifiers that takes a resource itself in place of its ID."""

    def encode(name: str, arguments: Mapping[str, Any]) -> str:
        value = arguments[name]
        if isinstance(value, model):
            # It may be missing if the model was built without validation.
            value = getattr(value, "id", None)
        return _identifier(name, value, f"{model.__name__}, NameOrId, str or UUID")

    return encode


def project_of(resource: str, encode_resource: Encoder) -> Encoder:
    """Return an encoder of the project that the name of a resource is looked up in; with an ID the server refuses it."""

    def encode(name: str, arguments: Mapping[str, Any]) -> str:
        if parse_id(encode_resource(resource, arguments)):
            kind = type(arguments[resource]).__name__
            raise ApiValueError(
                f"{name}: leave it out, since {resource} is given by its ID ({kind}), which is unique by itself; "
                f"{name} goes with a name"
            )
        return identifier(name, arguments)

    return encode


def _identifier(name: str, value: object, expected: str) -> str:
    if isinstance(value, NameOrId):
        # It may be missing if the model was built without validation.
        value = getattr(value, "actual_instance", None)
    if isinstance(value, UUID):
        return UUID.__str__(value)
    if not isinstance(value, str):
        raise ApiTypeError(f"{name}: expected {expected}, got {_type_and_value(value)}")
    try:
        return str(name_or_id(str.__str__(value)))
    except ValueError as error:
        problem = str(error)
    raise ApiValueError(f"{name}: {shown(value)} is neither a name nor an ID: {problem}")


def whole_number(least: int, most: int) -> Encoder:
    """Return an encoder of whole numbers."""

    def encode(name: str, arguments: Mapping[str, Any]) -> str:
        found = number(arguments[name])
        if found is None:
            raise ApiTypeError(f"{name}: expected int, got {_type_and_value(arguments[name])}")
        if not least <= found <= most:
            raise ApiValueError(f"{name}: must be {least} to {most}, not {shown(found)}")
        return str(found)

    return encode


def page_token(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the token of a page, quoted."""
    value = arguments[name]
    if not isinstance(value, str):
        raise ApiTypeError(f"{name}: expected str, got {_type_and_value(value)}")
    try:
        token = str.__str__(value).encode()
    except UnicodeEncodeError:
        token = b""
    if not 0 < len(token) <= PAGE_TOKEN_MAX_BYTES:
        raise ApiValueError(f"{name}: must be a next_page that the server sent, not {shown(value)}")
    return quote(token, safe="")


def member_of(enum: type[StrEnum]) -> Encoder:
    """Return an encoder of the members of an enum, given as such or as their text."""

    def encode(name: str, arguments: Mapping[str, Any]) -> str:
        value = arguments[name]
        if not isinstance(value, str):
            raise ApiTypeError(f"{name}: expected {enum.__name__} or str, got {_type_and_value(value)}")
        try:
            return enum(str.__str__(value)).value
        except ValueError:
            message = f"{name}: must be one of {', '.join(enum)}, not {shown(value)}"
        raise ApiValueError(message)

    return encode


def checked_body(name: str, model: type[_M], value: object) -> _M:
    """Return a request body as its model, validated again since a model may have been built without validation.

    `name` is that of the method, for the message.

    Raises:
        ApiTypeError: it is neither a model nor a mapping.
        ApiValueError: it breaks a rule; the message names every field and its rule.
    """
    if not isinstance(value, (model, Mapping)):
        raise ApiTypeError(f"{name}: expected {model.__name__} or a dict, got {_type_and_value(value)}")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [
            problem_at(line["loc"], line["msg"].removeprefix("Value error, "))
            for line in error.errors(include_url=False, include_input=False)
        ]
        message = f"{name}: {'; '.join(problems)}"
    raise ApiValueError(message)


def problem_at(location: tuple[int | str, ...], problem: str) -> str:
    """Return a problem with its place in the document, as in `items[3].version: missing`."""
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{parts.removeprefix('.')}: {problem}" if parts else problem


def shown(value: object) -> str:
    """Return a value for a message, on one short line."""
    value = masked_if_suspect(value)
    try:
        text = repr(value[:_MAX_SHOWN] if type(value) is str else value)
    except Exception:  # noqa: BLE001 - the `repr` of a caller's object may raise anything, that of a huge int does
        return f"{type(value).__name__} (not shown)"
    return one_line(text, _MAX_SHOWN)


def _type_and_value(value: object) -> str:
    """Return the type of a value for a message, with the value if it is text or a number."""
    kind = type(value).__name__
    return f"{kind} {shown(value)}" if isinstance(value, (str, int, float)) else kind
