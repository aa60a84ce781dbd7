"""Encodes and decodes page tokens.

A token is URL-safe base64 of compact JSON with the scan's order, its scope and the last item seen.
"""

import base64
import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from oxide._identifiers import name_or_id
from oxide.testing import _messages
from oxide.testing._errors import ApiError

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
MAX_TOKEN_LENGTH: Final = 512

NAME_ASCENDING: Final = "name_ascending"
NAME_DESCENDING: Final = "name_descending"
ID_ASCENDING: Final = "id_ascending"
SORT_MODES: Final = [NAME_ASCENDING, NAME_DESCENDING, ID_ASCENDING]


@dataclass(frozen=True)
class Scan:
    """Where a listing continues: its order, its scope (None is the silo) and the last item seen."""

    sort_by: str = NAME_ASCENDING
    project: str | UUID | None = None
    last_seen: str | UUID | None = None

    @property
    def by_id(self) -> bool:
        """Whether the order is by ID, and the marker is an ID."""
        return self.sort_by == ID_ASCENDING

    def check_marker(self) -> None:
        """Raise the service's 400 if the marker is not of the kind that the order compares."""
        if self.last_seen is not None and isinstance(self.last_seen, UUID) != self.by_id:
            raise ApiError.malformed(message="invalid page token")


def encode_page_token(scan: Scan) -> str:
    """Return the token that resumes after `scan.last_seen`; the scope is echoed as the client gave it."""
    page_start = {
        "sort_by": scan.sort_by,
        "project": None if scan.project is None else str(scan.project),
        "last_seen": str(scan.last_seen),
    }
    token = json.dumps({"v": "v1", "page_start": page_start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(token.encode()).decode()


def decode_page_token(token: str) -> Scan:
    """Return the scan that `token` resumes, or raise the service's 400."""
    if len(token.encode()) > MAX_TOKEN_LENGTH:
        raise _unreadable(problem="too large")
    try:
        document = json.loads(_decode_base64(token.encode()))
        if document["v"] != "v1":
            raise _unreadable(problem="corrupted token")
        page_start = document["page_start"]
        sort_by = page_start.get("sort_by", NAME_ASCENDING)
        project = page_start.get("project")
        scan = Scan(
            sort_by=SORT_MODES[SORT_MODES.index(sort_by)],
            project=None if project is None else name_or_id(project),
            last_seen=name_or_id(page_start["last_seen"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise _unreadable(problem="corrupted token") from None
    return scan


def _decode_base64(encoded: bytes) -> bytes:
    symbols = len(encoded.rstrip(b"="))
    # The service has a message of its own for a length that no encoding has.
    if symbols % 4 == 1 and encoded.isalnum():
        raise _unreadable(problem=f"Invalid input length: {len(encoded)}")
    try:
        decoded = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except ValueError:
        decoded = b""
    # Python also accepts other alphabets, and unused bits that are set at the end.
    if base64.urlsafe_b64encode(decoded) != encoded:
        raise _unreadable(problem=_messages.NOT_BASE64)
    return decoded


def _unreadable(*, problem: str) -> ApiError:
    return ApiError.malformed_query(problem=f"failed to parse pagination token: {problem}")
