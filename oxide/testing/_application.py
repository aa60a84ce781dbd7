"""From a request to its answer, checked in the real service's order.

That order is: API version, route, parameters and body, credentials, operation. So a malformed request without
credentials is a 400, not a 401.
"""

import json
import logging
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final
from uuid import uuid4

from pydantic_core import to_json

from oxide.testing import _service as service
from oxide.testing._api_version import ApiVersion, check_api_version
from oxide.testing._clock import wire_time
from oxide.testing._errors import ApiError
from oxide.testing._image_create import NewImage, check_content_type, parse_image_create
from oxide.testing._parameters import (
    image_parameter,
    page_parameters,
    parse_query,
    project_parameter,
    required_project_parameter,
)
from oxide.testing._roles import Actor
from oxide.testing._routing import SUCCESS_STATUSES, Route, find_route
from oxide.testing._store import Store

MAX_BODY_BYTES: Final = 1_048_576
TOKEN_PREFIX: Final = "oxide-token-"  # noqa: S105 - what every token begins with
_GZIP_FROM_BYTES: Final = 512
_ABSOLUTE_TARGET = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_LOGGER = logging.getLogger(__name__)

# An operation whose request has been read: from caller and time to the content of the answer's body.
_Action = Callable[[Actor | None, str], object]


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `body` is cut just beyond the size that the service accepts."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def path(self) -> str:
        """Return the path as written."""
        return self._path_and_query[0]

    @property
    def query(self) -> str:
        """Return the query as written, without the question mark."""
        return self._path_and_query[1]

    @cached_property
    def _path_and_query(self) -> tuple[str, str]:
        absolute = _ABSOLUTE_TARGET.match(self.target)
        path, _, query = (self.target[absolute.end() :] if absolute else self.target).partition("?")
        return path or "/", query

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of this (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True)
class Response:
    """One answer; `headers` exclude those that frame the body, which is compressed when sent if `gzip`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    gzip: bool = False


class Application:
    """The service behind the sockets."""

    def __init__(self, store: Store, clock: Callable[[], datetime], newest_version: ApiVersion):
        self._store = store
        self._clock = clock
        self._newest_version = newest_version

    def answer(self, request: Request) -> Response:
        """Carry out a request and return the answer."""
        request_id = str(uuid4())
        try:
            check_api_version(request.header(b"api-version"), self._newest_version)
            route = find_route(request.method, request.path)
            action = self._read(route, request)
            with self._store.transaction():
                actor = _authenticate(self._store, request.header(b"authorization"))
                document = action(actor, wire_time(self._clock()))
        except ApiError as error:
            return _error_response(error, request_id)
        except sqlite3.IntegrityError:
            # A text longer than its column: the service leaves that check to its database.
            return _error_response(ApiError.internal(), request_id)
        except Exception:
            _LOGGER.exception("the simulator itself failed")
            return _error_response(ApiError.internal(), request_id)
        return _success_response(SUCCESS_STATUSES[route.operation], document, request, request_id)

    def user(self, request: Request) -> str | None:
        """Return the user whose token a request has, or None if it has no known token."""
        try:
            with self._store.transaction():
                actor = _authenticate(self._store, request.header(b"authorization"))
        except ApiError:
            return None
        return None if actor is None else actor.name

    def _read(self, route: Route, request: Request) -> _Action:
        """Return what the request asks for, or raise the 400 that says why it cannot be read."""
        store = self._store
        query = parse_query(request.query)
        match route.operation:
            case "image_list":
                page = page_parameters(query)
                return lambda actor, _: service.image_list(store, actor, page)
            case "image_create":
                project = project_parameter(query)
                new = _read_body(request)
                return lambda actor, now: service.image_create(store, actor, project, new, now)
            case "image_view":
                image, project = image_parameter(route.image), project_parameter(query)
                return lambda actor, _: service.image_view(store, actor, image, project)
            case "image_delete":
                image, project = image_parameter(route.image), project_parameter(query)
                return lambda actor, now: service.image_delete(store, actor, image, project, now)
            case "image_promote":
                image, project = image_parameter(route.image), project_parameter(query)
                return lambda actor, now: service.image_promote(store, actor, image, project, now)
            case "image_demote":
                image, destination = image_parameter(route.image), required_project_parameter(query)
                return lambda actor, now: service.image_demote(store, actor, image, destination, now)
            case "openapi":
                # The document is made from the client's modules, which are needed only here.
                from oxide.testing._openapi import openapi_document

                document = openapi_document()
                return lambda _, __: document


def _read_body(request: Request) -> NewImage:
    if len(request.body) > MAX_BODY_BYTES:
        raise ApiError.malformed(message=f"request body exceeded maximum size of {MAX_BODY_BYTES} bytes")
    content_type = request.header(b"content-type")
    check_content_type(None if content_type is None else content_type.decode("latin-1"))
    return parse_image_create(request.body)


def _authenticate(store: Store, authorization: bytes | None) -> Actor | None:
    """Return the caller, or None if there are no credentials of the right kind; raise the 401 for unknown ones."""
    scheme, _, credential = (authorization or b"").decode("latin-1").partition(" ")
    token = credential.strip()
    if scheme.lower() != "bearer" or not token.startswith(TOKEN_PREFIX):
        return None
    actor = store.actor(token)
    if actor is None:
        raise ApiError.unauthenticated()
    return actor


def _accepts_gzip(accept_encoding: bytes | None) -> bool:
    accepted: dict[str, bool] = {}
    for choice in (accept_encoding or b"").decode("latin-1").lower().split(","):
        coding, _, quality = choice.partition(";")
        accepted[coding.strip()] = quality.replace(" ", "").rstrip("0.") != "q="
    return accepted.get("gzip", accepted.get("*", False))


def _success_response(status: int, document: object, request: Request, request_id: str) -> Response:
    headers = [("x-request-id", request_id)]
    if document is None:
        return Response(status, tuple(headers))
    headers += [("content-type", "application/json"), ("vary", "accept-encoding")]
    body = to_json(document)
    compressed = len(body) >= _GZIP_FROM_BYTES and _accepts_gzip(request.header(b"accept-encoding"))
    return Response(status, tuple(headers), body, gzip=compressed)


def _error_response(error: ApiError, request_id: str) -> Response:
    document = {"request_id": request_id, "error_code": error.code, "message": error.message}
    if error.code is None:
        del document["error_code"]
    return Response(
        error.status,
        (("content-type", "application/json"), ("x-request-id", request_id), *error.headers),
        json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "replace"),
    )
