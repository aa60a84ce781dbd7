"""The `api-version` request header: semantic versions, compared as the real service compares them."""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

from oxide.testing._errors import ApiError

NEWEST_API_VERSION: Final = "2026081901.0.0"

_U64_MAX: Final = 2**64 - 1
_NUMBER: Final = r"(0|[1-9][0-9]{0,19})"
_PRERELEASE: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD: Final = r"[0-9A-Za-z-]+"
_VERSION: Final = (
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRERELEASE}(?:\.{_PRERELEASE})*))?(?:\+{_BUILD}(?:\.{_BUILD})*)?"
)


@total_ordering
@dataclass(frozen=True)
class ApiVersion:
    """A semantic version; build metadata is ignored in comparisons."""

    numbers: tuple[int, int, int]
    prerelease: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ApiVersion":
        """Parse `text`, or raise a `ValueError` that says what is wrong."""
        found = re.fullmatch(_VERSION, text)
        if found is None or max(numbers := tuple(map(int, found.group(1, 2, 3)))) > _U64_MAX:
            message = (
                "not a semantic version"
                if not text or text[0] in "0123456789"
                else f"unexpected character {text[0]!r} while parsing major version number"
            )
            raise ValueError(message)
        return cls(
            (numbers[0], numbers[1], numbers[2]), tuple((found[4] or "").split(".")) if found[4] else ()
        )

    def __lt__(self, other: "ApiVersion") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        # Numbers sort before words, and have no leading zeros, so a longer one is larger.
        identifiers = (
            (False, len(part), part) if part.isdecimal() else (True, 0, part) for part in self.prerelease
        )
        return self.numbers, not self.prerelease, tuple(identifiers)


def requested_version(header: bytes | None, newest: ApiVersion) -> ApiVersion:
    """Return the version that a header value asks for, the newest if there is none; else raise the service's 400."""
    if header is None:
        return newest
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
    return version
