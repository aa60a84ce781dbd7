"""Finds the operation for a method and a path, before any parameters are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from oxide.testing._errors import ApiError

Operation = Literal[
    "disk_bulk_write_import",
    "disk_bulk_write_import_start",
    "disk_bulk_write_import_stop",
    "disk_create",
    "disk_delete",
    "disk_finalize_import",
    "disk_view",
    "image_create",
    "image_delete",
    "image_demote",
    "image_list",
    "image_promote",
    "image_view",
    "openapi",
    "snapshot_delete",
    "snapshot_view",
    "utilization_view",
]

# A segment in braces stands for the name or ID of the resource.
ROUTES: Final[Mapping[str, Mapping[str, Operation]]] = {
    "/v1/images": {"GET": "image_list", "POST": "image_create"},
    "/v1/images/{image}": {"GET": "image_view", "DELETE": "image_delete"},
    "/v1/images/{image}/promote": {"POST": "image_promote"},
    "/v1/images/{image}/demote": {"POST": "image_demote"},
    "/v1/disks": {"POST": "disk_create"},
    "/v1/disks/{disk}": {"GET": "disk_view", "DELETE": "disk_delete"},
    "/v1/disks/{disk}/bulk-write": {"POST": "disk_bulk_write_import"},
    "/v1/disks/{disk}/bulk-write-start": {"POST": "disk_bulk_write_import_start"},
    "/v1/disks/{disk}/bulk-write-stop": {"POST": "disk_bulk_write_import_stop"},
    "/v1/disks/{disk}/finalize": {"POST": "disk_finalize_import"},
    "/v1/snapshots/{snapshot}": {"GET": "snapshot_view", "DELETE": "snapshot_delete"},
    "/v1/utilization": {"GET": "utilization_view"},
    # Not in the real service; outside its paths, so that it hides none of them.
    "/openapi.json": {"GET": "openapi"},
}
_PARTS: Final = {tuple(template.split("/")[1:]): operations for template, operations in ROUTES.items()}

SUCCESS_STATUSES: Final[Mapping[str, int]] = {
    "disk_bulk_write_import": 204,
    "disk_bulk_write_import_start": 204,
    "disk_bulk_write_import_stop": 204,
    "disk_create": 201,
    "disk_delete": 204,
    "disk_finalize_import": 204,
    "disk_view": 200,
    "image_create": 201,
    "image_delete": 204,
    "image_demote": 202,
    "image_list": 200,
    "image_promote": 202,
    "image_view": 200,
    "openapi": 200,
    "snapshot_delete": 204,
    "snapshot_view": 200,
    "utilization_view": 200,
}

# Operations that take long on a rack, and go on there even if nobody waits for the response.
SAGAS: Final[frozenset[Operation]] = frozenset({"disk_create", "disk_delete", "disk_finalize_import"})


@dataclass(frozen=True)
class Route:
    """An operation, and the segment of the path that selects its resource, if there is one."""

    operation: Operation
    selector: str = ""


def find_route(method: str, path: str) -> Route:
    """Return the operation of a request, or raise the service's 400, 404 or 405."""
    segments = _segments(path)
    for parts, operations in _PARTS.items():
        if len(parts) == len(segments) and all(
            part == segment or part[0] == "{" for part, segment in zip(parts, segments, strict=True)
        ):
            if method not in operations:
                raise ApiError.method_not_allowed(list(operations))
            selector = next(
                (segment for part, segment in zip(parts, segments, strict=True) if part[0] == "{"), ""
            )
            return Route(operations[method], selector)
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
