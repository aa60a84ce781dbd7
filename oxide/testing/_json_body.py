"""Reads JSON bodies: accepts what the service accepts, and refuses the rest with its messages.

A message has the service's own words where one of its tests asserts them; other messages say the same in general words.
"""

import json
import re
from typing import Final, NoReturn, TypeVar
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
_U64_MAX: Final = 2**64 - 1

_T = TypeVar("_T")


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


class JsonBody:
    """A JSON body, and the service's errors for it, which name the end of the text as their position."""

    def __init__(self, body: bytes):
        self._text = _without_trailing_characters(body)
        # An object is read as a tuple of its pairs, since a key that appears twice is an error.
        self._value = json.loads(self._text, object_pairs_hook=tuple)

    def outer(self, expected: str) -> "JsonObject":
        """Return the body, which must be an object."""
        if not isinstance(self._value, tuple):
            self.fail(_messages.wrong_type(expected))
        return JsonObject(self, self._value, "")

    def fail(self, problem: str) -> NoReturn:
        """Raise the 400 for a problem of the body."""
        # The service refuses an array before it reads any of it.
        before = b"" if isinstance(self._value, list) else self._text
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1)
        raise ApiError.malformed_body(problem=f"{problem} at line {line} column {column}")


class JsonObject:
    """An object within a JSON body; `path` is the prefix of its error messages."""

    def __init__(self, body: JsonBody, pairs: tuple[tuple[str, object], ...], path: str):
        self._body = body
        self._pairs = pairs
        self._path = path

    def member(self, key: str) -> object:
        """Return the value of a required key, which may appear only once."""
        values = self._values(key)
        if not values:
            self.fail(_messages.missing_field(key))
        return values[0]

    def string(self, key: str, *, path: str | None = None) -> str:
        """Return a required string; `path` is the prefix of the error for a wrong type, by default the key's."""
        return self._typed(key, str, _messages.STRING, path)

    def name(self, key: str, *, path: str | None = None) -> str:
        """Return a required name of a resource."""
        name = self.string(key, path=path)
        if problem := name_problem(name):
            self._body.fail((f"{self._path}{key}: " if path is None else path) + problem)
        return name

    def optional_name(self, key: str) -> str | None:
        """Return a name of a resource, or None if it is missing or null."""
        values = self._values(key)
        return None if not values or values[0] is None else self.name(key)

    def u64(self, key: str) -> int:
        """Return a required unsigned integer."""
        value = self._typed(key, int, "u64")
        if isinstance(value, bool):
            self.fail(f"{key}: {_messages.wrong_type('u64')}")
        if not 0 <= value <= _U64_MAX:
            self.fail(f"{key}: invalid value: integer `{value}`, expected u64")
        return value

    def boolean(self, key: str) -> bool:
        """Return a boolean, which is false if it is missing."""
        return self._typed(key, bool, "a boolean") if self._values(key) else False

    def uuid(self, key: str) -> UUID:
        """Return a required ID."""
        text = self._typed(key, str, _messages.UUID_STRING, self._path)
        parsed = parse_id(text)
        if parsed is None:
            self.fail(_messages.NOT_A_UUID)
        return parsed

    def inner(self, key: str, expected: str, *, path: str | None = None) -> "JsonObject":
        """Return a required object; `path` is the prefix of its errors, by default its key."""
        path = f"{self._path}{key}: " if path is None else path
        return JsonObject(self._body, self._typed(key, tuple, expected, path), path)

    def variant(self, key: str, variants: list[str], *, path: str | None = None) -> str:
        """Return a required string that must be one of these."""
        path = f"{self._path.removesuffix(': ')}.{key}: " if path is None else path
        word = self._typed(key, str, _messages.SOURCE_TYPE, path)
        if word not in variants:
            self._body.fail(path + _messages.unknown_variant(word, variants))
        return word

    def fail(self, problem: str) -> NoReturn:
        """Raise the 400 for a problem of this object."""
        self._body.fail(self._path + problem)

    def _values(self, key: str) -> list[object]:
        values = [value for found, value in self._pairs if found == key]
        if len(values) > 1:
            self.fail(_messages.duplicate_field(key))
        return values

    def _typed(self, key: str, kind: type[_T], expected: str, path: str | None = None) -> _T:
        value = self.member(key)
        if not isinstance(value, kind):
            self._body.fail(
                (f"{self._path}{key}: " if path is None else path) + _messages.wrong_type(expected)
            )
        return value


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
