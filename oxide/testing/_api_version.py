"""The `api-version` request header: semantic versions, read as the real service's parser reads them."""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

from oxide.testing._errors import ApiError

NEWEST_API_VERSION: Final = "2026081901.0.0"

_DIGITS = re.compile(r"[0-9]*")
_U64_MAX = 2**64 - 1
_IDENTIFIERS = re.compile(r"[0-9A-Za-z.-]*")


@total_ordering
@dataclass(frozen=True)
class ApiVersion:
    """A semantic version; build metadata takes part in neither order nor equality."""

    numbers: tuple[int, int, int]
    prerelease: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ApiVersion":
        """Parse `text`, or raise a ValueError that says what is wrong in the words of Rust's semver crate."""
        if not text:
            message = "empty string, expected a semver version"
            raise ValueError(message)
        rest = text
        numbers = []
        for part in ("major", "minor", "patch"):
            number, rest = _number(rest, f"{part} version number")
            numbers.append(number)
            if part != "patch":
                rest = _dot(rest, f"{part} version number")
        prerelease, rest = _identifiers(rest, "-", "pre-release identifier")
        _, rest = _identifiers(rest, "+", "build metadata")
        if rest:
            position = "build metadata" if "+" in text else "pre-release identifier" if prerelease else None
            message = f"unexpected character {rest[0]!r} after {position or 'patch version number'}"
            raise ValueError(message)
        return cls((numbers[0], numbers[1], numbers[2]), prerelease)

    def __lt__(self, other: "ApiVersion") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        identifiers = (
            (False, int(part), "") if part.isdecimal() else (True, 0, part) for part in self.prerelease
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
    digits = _DIGITS.match(text)
    if digits is None or not digits[0]:
        if text:
            message = f"unexpected character {text[0]!r} while parsing {position}"
        else:
            message = f"unexpected end of input while parsing {position}"
        raise ValueError(message)
    if len(digits[0]) > 1 and digits[0].startswith("0"):
        message = f"invalid leading zero in {position}"
        raise ValueError(message)
    if len(digits[0]) > len(str(_U64_MAX)) or int(digits[0]) > _U64_MAX:
        message = f"value of {position} exceeds u64::MAX"
        raise ValueError(message)
    return int(digits[0]), text[digits.end() :]


def _dot(text: str, position: str) -> str:
    if text.startswith("."):
        return text[1:]
    if text:
        message = f"unexpected character {text[0]!r} after {position}"
    else:
        message = f"unexpected end of input while parsing {position}"
    raise ValueError(message)


def _identifiers(text: str, sign: str, position: str) -> tuple[tuple[str, ...], str]:
    if not text.startswith(sign):
        return (), text
    found = _IDENTIFIERS.match(text, 1)
    identifiers = tuple(found[0].split(".")) if found else ()
    if not all(identifiers):
        message = f"empty identifier segment in {position}"
        raise ValueError(message)
    if sign == "-" and any(part.isdecimal() and len(part) > 1 and part[0] == "0" for part in identifiers):
        message = f"invalid leading zero in {position}"
        raise ValueError(message)
    return identifiers, text[1 + len(".".join(identifiers)) :]
