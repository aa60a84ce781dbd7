"""What the Oxide API accepts as a name, an ID and a page token: the server's rules, as pure functions.

The rules are those of the server's own parser, which is stricter than the pattern in its published OpenAPI
document: a name may contain no upper case, and may not be a UUID in *any* form.
"""

import re
from typing import Final
from uuid import UUID

NAME_MAX_BYTES: Final = 63
# The server's own tokens have a few hundred; an endless one must not fill the memory.
PAGE_TOKEN_MAX_BYTES: Final = 8 * 2**10

# `uuid.UUID(text)` ignores hyphens, so it would accept the legal name
# `deadbeef-deadbeef-deadbeef-deadbeef` as an ID; only these four forms are IDs.
_HYPHENATED = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(
    rf"[0-9a-f]{{32}}|{_HYPHENATED}|\{{{_HYPHENATED}\}}|urn:uuid:{_HYPHENATED}", re.ASCII | re.IGNORECASE
)
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NOT_NAME_CHARACTER = re.compile(r"[^a-z0-9-]", re.ASCII)


def parse_id(text: str) -> UUID | None:
    """Return the UUID that `text` spells, or None if it is not one.

    Four forms are IDs to the server: hyphenated, 32 hex digits, `{braced}` and `urn:uuid:…`, in any case.
    """
    # Not `text.lower()`, which a subclass may override.
    return UUID(str.lower(text)) if _ID.fullmatch(text) else None


def plain_uuid(value: UUID) -> UUID:
    """Return a plain `UUID`, since the text of a subclass may be anything."""
    return value if type(value) is UUID else UUID(int=value.int)


def name_problem(text: str) -> str | None:
    """Return the rule that `text` breaks as a resource name, in the server's words, or None for a legal name.

    Rules are checked in the server's order, so the message is the one that the server would send.
    """
    # The characters themselves, since a subclass may override any method.
    text = str.__str__(text)
    if _NAME.fullmatch(text) and not _ID.fullmatch(text):
        return None
    if len(text.encode("utf-8", "surrogatepass")) > NAME_MAX_BYTES:
        return f"name may contain at most {NAME_MAX_BYTES} characters"
    if not text:
        return "name requires at least one character"
    if not "a" <= text[0] <= "z":
        return "name must begin with an ASCII lowercase character"
    if bad := _NOT_NAME_CHARACTER.search(text):
        return (
            f"name contains invalid character: {_quoted(bad[0])} "
            '(allowed characters are lowercase ASCII, digits, and "-")'
        )
    if text.endswith("-"):
        return 'name cannot end with "-"'
    return "name cannot be a UUID to avoid ambiguity with IDs"


def name_or_id(text: str) -> UUID | str:
    """Return the UUID that `text` spells, else `text` itself if it is a legal name; else raise `ValueError`."""
    if parsed := parse_id(text):
        return parsed
    if problem := name_problem(text):
        raise ValueError(problem)
    # A plain `str`, since an enum member would be formatted as the member's name.
    return str.__str__(text)


def _quoted(character: str) -> str:
    escaped = {'"': r"\"", "\\": r"\\"}.get(character, character)
    return f'"{escaped if escaped.isprintable() else ascii(character)[1:-1]}"'
