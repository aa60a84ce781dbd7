"""Reads a request's parameters and body, and returns the operation to run.

Credentials are checked only when it runs, so a malformed request without credentials is a 400, not a 401.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from oxide.testing._api_version import ApiVersion
from oxide.testing._bodies import parse_bulk_write, parse_disk_create, parse_finalize, parse_image_create
from oxide.testing._errors import ApiError
from oxide.testing._http_messages import Request
from oxide.testing._json_body import check_content_type
from oxide.testing._parameters import (
    page_parameters,
    parse_query,
    path_parameter,
    project_parameter,
    required_project_parameter,
)
from oxide.testing._roles import Actor
from oxide.testing._routing import Route
from oxide.testing._service import capacity, disks, images, imports, snapshots
from oxide.testing._store import Store

# An operation whose request has been read. It takes the caller and the time, and returns the response's content or a saga.
Action = Callable[[Actor | None, str], object]

BODY_BYTES_MAX: Final = 1_048_576
BULK_WRITE_BYTES_MAX: Final = 8_388_608

_T = TypeVar("_T")


def read_request(store: Store, route: Route, request: Request, version: ApiVersion) -> Action:
    """Return what the request asks for, or raise the 400 that says why it cannot be read."""
    kind = route.operation.partition("_")[0]
    read = _READERS[kind]
    return read(store, route, request, version)


def _read_openapi(_: Store, __: Route, ___: Request, ____: ApiVersion) -> Action:
    # The document is made from the client's modules, which nothing else here needs.
    from oxide.testing._openapi import openapi_document

    document = openapi_document()
    return lambda _, __: document


def _read_utilization(store: Store, _: Route, __: Request, ___: ApiVersion) -> Action:
    return lambda actor, _: capacity.utilization_view(store, actor)


def _read_image(store: Store, route: Route, request: Request, _: ApiVersion) -> Action:
    query = parse_query(request.query)
    if route.operation == "image_list":
        page = page_parameters(query)
        return lambda actor, _: images.image_list(store, actor, page)
    if route.operation == "image_create":
        project = project_parameter(query)
        new = _body(request, parse_image_create)
        return lambda actor, now: images.image_create(store, actor, project, new, now)
    image = path_parameter(route.selector)
    if route.operation == "image_demote":
        destination = required_project_parameter(query)
        return lambda actor, now: images.image_demote(store, actor, image, destination, now)
    project = project_parameter(query)
    match route.operation:
        case "image_delete":
            return lambda actor, now: images.image_delete(store, actor, image, project, now)
        case "image_promote":
            return lambda actor, now: images.image_promote(store, actor, image, project, now)
        case _:
            return lambda actor, _: images.image_view(store, actor, image, project)


def _read_disk(store: Store, route: Route, request: Request, version: ApiVersion) -> Action:
    query = parse_query(request.query)
    if route.operation == "disk_create":
        home = required_project_parameter(query)
        new = _body(request, lambda body: parse_disk_create(body, has_backend=disks.has_backend(version)))
        return lambda actor, now: disks.disk_create(store, actor, home, new, now, version)
    disk, project = path_parameter(route.selector), project_parameter(query)
    match route.operation:
        case "disk_bulk_write_import":
            write = _body(request, parse_bulk_write, BULK_WRITE_BYTES_MAX)
            return lambda actor, _: imports.bulk_write(store, actor, disk, project, write)
        case "disk_bulk_write_import_start":
            return lambda actor, _: imports.bulk_write_start(store, actor, disk, project)
        case "disk_bulk_write_import_stop":
            return lambda actor, _: imports.bulk_write_stop(store, actor, disk, project)
        case "disk_finalize_import":
            name = _body(request, parse_finalize)
            return lambda actor, now: imports.finalize(store, actor, disk, project, name, now)
        case "disk_delete":
            return lambda actor, _: disks.disk_delete(store, actor, disk, project)
        case _:
            return lambda actor, _: disks.disk_view(store, actor, disk, project, version)


def _read_snapshot(store: Store, route: Route, request: Request, _: ApiVersion) -> Action:
    snapshot = path_parameter(route.selector)
    project = project_parameter(parse_query(request.query))
    if route.operation == "snapshot_delete":
        return lambda actor, _: snapshots.snapshot_delete(store, actor, snapshot, project)
    return lambda actor, _: snapshots.snapshot_view(store, actor, snapshot, project)


_READERS: Final = {
    "disk": _read_disk,
    "image": _read_image,
    "openapi": _read_openapi,
    "snapshot": _read_snapshot,
    "utilization": _read_utilization,
}


def _body(request: Request, parse: Callable[[bytes], _T], bytes_max: int = BODY_BYTES_MAX) -> _T:
    if len(request.body) > bytes_max:
        raise ApiError.malformed(message=f"request body exceeded maximum size of {bytes_max} bytes")
    content_type = request.header(b"content-type")
    check_content_type(None if content_type is None else content_type.decode("latin-1"))
    return parse(request.body)
