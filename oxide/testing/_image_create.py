"""The body of a create request: which JSON the service accepts, and its messages for the rest."""

import json
import re
from dataclasses import dataclass
from typing import Final, NoReturn
from uuid import UUID

from pydantic_core import from_json

from oxide._identifiers import name_problem, parse_id
from oxide.testing import _messages
from oxide.testing._errors import ApiError

_OTHER_KNOWN_TYPES: Final = {
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
}
_TRAILING_CHARACTERS = re.compile(r"trailing characters at line (\d+) column (\d+)")


@dataclass(frozen=True)
class NewImage:
    """What a create request asks for."""

    name: str
    description: str
    os: str
    version: str
    snapshot_id: UUID


def check_content_type(header: str | None) -> None:
    """Raise the service's 400 for a media type other than JSON; a missing one counts as JSON."""
    if header is None:
        return
    media_type = header.partition(";")[0].strip().lower()
    if media_type == "application/json" or re.fullmatch(r"application/.*\+json", media_type):
        return
    if media_type in _OTHER_KNOWN_TYPES:
        raise ApiError.malformed(message=f'expected content type "application/json", got "{media_type}"')
    raise ApiError.malformed(message=f"unsupported content-type: {media_type}")


def parse_image_create(body: bytes) -> NewImage:
    """Return what the body asks for, or raise the service's 400."""
    return _Document(body).image_create()


class _Object(tuple[tuple[str, object], ...]):
    """A JSON object as its pairs, since a key that appears twice is an error."""

    __slots__ = ()


class _Document:
    """A JSON text, and the service's errors for it, which give the end of the text as their place."""

    def __init__(self, body: bytes):
        self._text = _without_trailing_characters(body)
        self._value = json.loads(self._text, object_pairs_hook=_Object)

    def image_create(self) -> NewImage:
        body = self._value
        if not isinstance(body, _Object):
            self._fail(_messages.invalid_type(body, _messages.IMAGE_CREATE))
        os = self._string(body, "os", path="os: ")
        version = self._string(body, "version", path="version: ")
        snapshot_id = self._snapshot_id(self._only(body, "source"))
        # The service reads the fields common to all resources last, and gives no path for them.
        name = self._string(body, "name")
        if problem := name_problem(name):
            self._fail(problem)
        return NewImage(name, self._string(body, "description"), os, version, snapshot_id)

    def _snapshot_id(self, source: object) -> UUID:
        if not isinstance(source, _Object):
            self._fail(f"source: {_messages.invalid_type(source, _messages.IMAGE_SOURCE)}")
        kind = self._only(source, "type", path="source: ")
        if not isinstance(kind, str):
            self._fail(f"source.type: {_messages.invalid_type(kind, _messages.SOURCE_TYPE)}")
        if kind != "snapshot":
            self._fail(f"source.type: {_messages.unknown_variant(kind, ['snapshot'])}")
        snapshot = self._only(source, "id", path="source: ")
        if not isinstance(snapshot, str):
            self._fail(f"source: {_messages.invalid_type(snapshot, _messages.UUID_STRING)}")
        snapshot_id = parse_id(snapshot)
        if snapshot_id is None:
            self._fail(f"source: {_messages.not_a_uuid(snapshot)}")
        return snapshot_id

    def _string(self, pairs: _Object, key: str, path: str = "") -> str:
        value = self._only(pairs, key)
        if not isinstance(value, str):
            self._fail(path + _messages.invalid_type(value, _messages.STRING))
        return value

    def _only(self, pairs: _Object, key: str, path: str = "") -> object:
        values = [value for found, value in pairs if found == key]
        if not values:
            self._fail(path + _messages.missing_field(key))
        if len(values) > 1:
            self._fail(path + _messages.duplicate_field(key))
        return values[0]

    def _fail(self, problem: str) -> NoReturn:
        # Only an array is refused before any of it is read.
        before = b"" if isinstance(self._value, list) else self._text
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1)
        raise ApiError.malformed_body(problem=f"{problem} at line {line} column {column}")


def _without_trailing_characters(body: bytes) -> bytes:
    """Return the JSON text that `body` begins with; the service ignores what follows it."""
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError as error:
        # pydantic's parser has the same error messages as the service's, including line and column.
        trailing = _TRAILING_CHARACTERS.fullmatch(str(error))
        if trailing is None:
            raise ApiError.malformed_body(problem=str(error)) from None
        line, column = int(trailing[1]), int(trailing[2])
        start_of_line = sum(len(text) + 1 for text in body.split(b"\n")[: line - 1])
        body = body[: start_of_line + column - 1]
    return body.rstrip(b" \t\r\n")
