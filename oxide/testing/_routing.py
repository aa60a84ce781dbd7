"""Finds the operation for a method and a path, before any parameters are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from oxide.testing._errors import ApiError

Operation = Literal[
    "image_create", "image_delete", "image_demote", "image_list", "image_promote", "image_view", "openapi"
]

_ROUTES: Final[Mapping[str, Mapping[str, Operation]]] = {
    "/v1/images": {"GET": "image_list", "POST": "image_create"},
    "/v1/images/{image}": {"GET": "image_view", "DELETE": "image_delete"},
    "/v1/images/{image}/promote": {"POST": "image_promote"},
    "/v1/images/{image}/demote": {"POST": "image_demote"},
    # Not in the real service; outside its paths, so that it hides none of them.
    "/openapi.json": {"GET": "openapi"},
}

SUCCESS_STATUSES: Final[Mapping[str, int]] = {
    "image_create": 201,
    "image_delete": 204,
    "image_demote": 202,
    "image_list": 200,
    "image_promote": 202,
    "image_view": 200,
    "openapi": 200,
}


@dataclass(frozen=True)
class Route:
    """An operation, and the image segment of its path if it has one."""

    operation: Operation
    image: str = ""


def find_route(method: str, path: str) -> Route:
    """Return the operation of a request, or raise the service's 400, 404 or 405."""
    segments = _segments(path)
    for template, operations in _ROUTES.items():
        parts = template.strip("/").split("/")
        if len(parts) == len(segments) and all(
            part in {segment, "{image}"} for part, segment in zip(parts, segments, strict=True)
        ):
            if method not in operations:
                raise ApiError.method_not_allowed(list(operations))
            return Route(operations[method], dict(zip(parts, segments, strict=True)).get("{image}", ""))
    raise ApiError.no_such_route()


def _segments(path: str) -> list[str]:
    """Return the decoded segments of a path, without empty ones; encoded dots do not make a dot segment."""
    parts = [part for part in path.split("/") if part]
    try:
        if {".", ".."}.isdisjoint(parts):
            return [unquote_to_bytes(part).decode("utf-8") for part in parts]
    except UnicodeDecodeError:
        pass
    raise ApiError.malformed(message="invalid path encoding")
