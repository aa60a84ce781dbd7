"""Reads path and query parameters, before authentication, and refuses bad ones in the service's own words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl
from uuid import UUID

from oxide._identifiers import name_or_id
from oxide.testing import _messages
from oxide.testing._errors import ApiError
from oxide.testing._pagination import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    NAME_ASCENDING,
    SORT_MODES,
    Scan,
    decode_page_token,
)

_U32_MAX = 2**32 - 1
_UNSIGNED = re.compile(r"\+?[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Page:
    """A requested page: which scan, and how many items at most."""

    scan: Scan
    limit: int


def parse_query(query: str) -> list[tuple[str, str]]:
    """Return the pairs of a query string, in order, decoded as form data."""
    return parse_qsl(query, keep_blank_values=True, errors="replace")


def path_parameter(segment: str) -> str | UUID:
    """Return the name or ID in the path."""
    try:
        return name_or_id(segment)
    except ValueError:
        problem = _messages.NEITHER_NAME_NOR_ID
        raise ApiError.malformed(message=f"bad parameter in URL path: {problem}") from None


def project_parameter(query: list[tuple[str, str]]) -> str | UUID | None:
    """Return the query's project, or None if it is missing; an empty one is an error."""
    projects = [value for key, value in query if key == "project"]
    if not projects:
        return None
    project = _query_name_or_id(projects[0])
    if len(projects) > 1:
        raise ApiError.malformed_query(problem=_messages.duplicate_field("project"))
    return project


def required_project_parameter(query: list[tuple[str, str]]) -> str | UUID:
    """Return the query's project, which is required."""
    project = project_parameter(query)
    if project is None:
        raise ApiError.malformed_query(problem=_messages.missing_field("project"))
    return project


def page_parameters(query: list[tuple[str, str]]) -> Page:
    """Return the page that a listing asks for.

    If a key appears twice, the last one counts; only a second `limit` is an error. A token replaces every other
    parameter except `limit`, valid or not.
    """
    limits = [value for key, value in query if key == "limit"]
    limit = _limit(limits[0]) if limits else DEFAULT_LIMIT
    if len(limits) > 1:
        raise ApiError.malformed_query(problem=_messages.duplicate_field("limit"))
    values = dict(query)
    token = values.get("page_token")
    return Page(_first_scan(values) if token is None else decode_page_token(token), limit)


def _first_scan(values: Mapping[str, str]) -> Scan:
    sort_by = values.get("sort_by", NAME_ASCENDING)
    if sort_by not in SORT_MODES:
        raise ApiError.malformed_query(problem=_messages.unknown_variant(sort_by, SORT_MODES))
    project = values.get("project")
    return Scan(sort_by, None if project is None else _query_name_or_id(project))


def _limit(text: str) -> int:
    if not text:
        raise ApiError.malformed_query(problem=_messages.LIMIT_EMPTY)
    if not _UNSIGNED.fullmatch(text):
        raise ApiError.malformed_query(problem=_messages.LIMIT_NOT_DIGITS)
    digits = text.lstrip("+0")
    if len(digits) > len(str(_U32_MAX)) or int(digits or "0") > _U32_MAX:
        raise ApiError.malformed_query(problem=_messages.LIMIT_TOO_LARGE)
    if not digits:
        raise ApiError.malformed_query(problem=_messages.LIMIT_ZERO)
    return min(int(digits), MAX_LIMIT)


def _query_name_or_id(text: str) -> str | UUID:
    try:
        return name_or_id(text)
    except ValueError:
        raise ApiError.malformed_query(problem=_messages.NEITHER_NAME_NOR_ID) from None
