"""The `api-version` request header: semantic versions, parsed as the real service parses them."""

import re
import string
from dataclasses import dataclass
from functools import total_ordering
from typing import Final, NoReturn

from oxide.testing._errors import ApiError

NEWEST_API_VERSION: Final = "2026081901.0.0"

_U64_MAX = 2**64 - 1
_IDENTIFIER_CHARACTERS: Final = f"{string.ascii_letters}{string.digits}.-"


@total_ordering
@dataclass(frozen=True)
class ApiVersion:
    """A semantic version; build metadata is ignored in comparisons."""

    numbers: tuple[int, int, int]
    prerelease: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ApiVersion":
        """Parse `text`, or raise a `ValueError` with the message of Rust's semver crate."""
        if not text:
            _fail("empty string,", "expected a semver version")
        rest = text
        numbers = []
        for part in ("major", "minor", "patch"):
            number, rest = _number(rest, f"{part} version number")
            numbers.append(number)
            if part != "patch":
                rest = _dot(rest, f"{part} version number")
        position = "patch version number"
        prerelease: tuple[str, ...] = ()
        if rest.startswith("-"):
            position = "pre-release identifier"
            prerelease, rest = _identifiers(rest[1:], position)
        if rest.startswith("+"):
            position = "build metadata"
            _, rest = _identifiers(rest[1:], position)
        if rest:
            _fail(f"unexpected character {rest[0]!r}", f"after {position}")
        return cls((numbers[0], numbers[1], numbers[2]), prerelease)

    def __lt__(self, other: "ApiVersion") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        # Numbers sort before words, and have no leading zeros, so a longer one is larger.
        identifiers = (
            (False, len(part), part) if part.isdecimal() else (True, 0, part) for part in self.prerelease
        )
        return self.numbers, not self.prerelease, tuple(identifiers)


def check_api_version(header: bytes | None, newest: ApiVersion) -> None:
    """Raise the service's 400 for a header value that is unreadable or newer than `newest`; None is fine."""
    if header is None:
        return
    if not header.isascii():
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in header)
        raise ApiError.malformed(message=f'bad value for header "api-version": not ASCII: "{shown}"')
    text = header.decode("ascii")
    try:
        version = ApiVersion.parse(text)
    except ValueError as error:
        raise ApiError.malformed(message=f'bad value for header "api-version": {error}: {text}') from None
    if newest < version:
        raise ApiError.malformed(message=f"server does not support this API version: {text}")


def _number(text: str, position: str) -> tuple[int, str]:
    rest = text.lstrip("0123456789")
    digits = text[: len(text) - len(rest)]
    if not digits:
        _fail(
            f"unexpected character {text[0]!r}" if text else "unexpected end of input",
            f"while parsing {position}",
        )
    if len(digits) > 1 and digits[0] == "0":
        _fail("invalid leading zero", f"in {position}")
    if len(digits) > len(str(_U64_MAX)) or int(digits) > _U64_MAX:
        _fail(f"value of {position}", "exceeds u64::MAX")
    return int(digits), rest


def _dot(text: str, position: str) -> str:
    if not text:
        _fail("unexpected end of input", f"while parsing {position}")
    if text[0] != ".":
        _fail(f"unexpected character {text[0]!r}", f"after {position}")
    return text[1:]


def _identifiers(text: str, position: str) -> tuple[tuple[str, ...], str]:
    rest = text.lstrip(_IDENTIFIER_CHARACTERS)
    identifiers = tuple(text[: len(text) - len(rest)].split("."))
    if not all(identifiers):
        _fail("empty identifier segment", f"in {position}")
    if position == "pre-release identifier" and any(re.fullmatch("0[0-9]+", part) for part in identifiers):
        _fail("invalid leading zero", f"in {position}")
    return identifiers, rest


def _fail(problem: str, place: str) -> NoReturn:
    message = f"{problem} {place}"
    raise ValueError(message)
