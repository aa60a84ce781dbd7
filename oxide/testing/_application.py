"""Turns a request into a response, with the checks in the real service's order.

That order is: API version, route, parameters and body, credentials, operation.
"""

import json
import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar
from uuid import uuid4

from pydantic_core import to_json

from oxide.testing._api_version import ApiVersion, requested_version
from oxide.testing._clock import wire_time
from oxide.testing._errors import ApiError
from oxide.testing._http_messages import Request, Response
from oxide.testing._parameters import parse_query, path_parameter, project_parameter
from oxide.testing._reading import read_request
from oxide.testing._roles import Actor
from oxide.testing._routing import SUCCESS_STATUSES, Operation, find_route
from oxide.testing._service.imports import lose_pantry
from oxide.testing._service.sagas import Saga
from oxide.testing._store import Store

TOKEN_PREFIX: Final = "oxide-token-"  # noqa: S105 - what every token begins with
_GZIP_FROM_BYTES: Final = 512
_LOGGER = logging.getLogger(__name__)

_T = TypeVar("_T")


class Application:
    """The service behind the sockets."""

    def __init__(self, store: Store, clock: Callable[[], datetime], newest_version: ApiVersion):
        self._store = store
        self._clock = clock
        self._newest_version = newest_version

    def respond(
        self, request: Request, *, at_work: Callable[[], None] = lambda: None, fail: bool = False
    ) -> Response:
        """Carry out a request and return the response.

        `at_work` is called while a saga is under way. With `fail`, the saga is then undone instead of finished.
        """
        begun = self._protected(lambda: self._begin(request))
        if isinstance(begun, ApiError):
            return error_response(begun)
        operation, result = begun
        if isinstance(result, Saga):
            saga = result
            at_work()
            result = self._protected(lambda: self._undo(saga) if fail else self._finish(saga))
            if isinstance(result, ApiError):
                return error_response(result)
        return _success_response(SUCCESS_STATUSES[operation], result, request)

    def user(self, request: Request) -> str | None:
        """Return the user that the request's token belongs to, or None if it has no known token."""
        token = _token(request)
        if token is None:
            return None
        try:
            with self._store.reading():
                return self._store.users.name(token)
        except sqlite3.Error:
            return None

    def lose_pantry(self, request: Request) -> None:
        """Make the pantry forget the disk that a chunk is for."""
        try:
            disk = path_parameter(find_route(request.method, request.path).selector)
            project = project_parameter(parse_query(request.query))
        except ApiError:
            return
        with self._store.transaction():
            lose_pantry(self._store, disk, project)

    @staticmethod
    def _protected(work: Callable[[], _T]) -> "_T | ApiError":
        """Return what `work` returns, or the error that it raises."""
        try:
            return work()
        except ApiError as error:
            return error
        except sqlite3.IntegrityError:
            # A text is longer than its column: the service leaves that check to its database.
            return ApiError.internal()
        except sqlite3.Error as error:
            _LOGGER.error("the database of the simulator failed: %s", error)  # noqa: TRY400 - it says all
            return ApiError.internal()
        except Exception:
            _LOGGER.exception("the simulator itself failed")
            return ApiError.internal()

    def _begin(self, request: Request) -> tuple[Operation, object]:
        version = requested_version(request.header(b"api-version"), self._newest_version)
        route = find_route(request.method, request.path)
        action = read_request(self._store, route, request, version)
        with self._store.transaction():
            actor = _authenticate(self._store, request)
            return route.operation, action(actor, wire_time(self._clock()))

    def _finish(self, saga: Saga) -> object:
        with self._store.transaction():
            return saga.finish()

    def _undo(self, saga: Saga) -> ApiError:
        with self._store.transaction():
            saga.undo()
        return ApiError.internal()


def _token(request: Request) -> str | None:
    """Return the token of a request, or None if there are no credentials of the right kind."""
    authorization = (request.header(b"authorization") or b"").decode("latin-1")
    scheme, _, credential = authorization.partition(" ")
    token = credential.strip()
    return token if scheme.lower() == "bearer" and token.startswith(TOKEN_PREFIX) else None


def _authenticate(store: Store, request: Request) -> Actor | None:
    """Return the caller, or None if there are no credentials of the right kind; raise the 401 for unknown ones."""
    token = _token(request)
    if token is None:
        return None
    actor = store.users.actor(token)
    if actor is None:
        raise ApiError.unauthenticated()
    return actor


def _accepts_gzip(accept_encoding: bytes | None) -> bool:
    accepted: dict[str, bool] = {}
    for choice in (accept_encoding or b"").decode("latin-1").lower().split(","):
        coding, _, quality = choice.partition(";")
        accepted[coding.strip()] = quality.replace(" ", "").rstrip("0.") != "q="
    return accepted.get("gzip", accepted.get("*", False))


def _success_response(status: int, document: object, request: Request) -> Response:
    headers = [("x-request-id", str(uuid4()))]
    if document is None:
        return Response(status, tuple(headers))
    headers += [("content-type", "application/json"), ("vary", "accept-encoding")]
    body = to_json(document)
    compressed = len(body) >= _GZIP_FROM_BYTES and _accepts_gzip(request.header(b"accept-encoding"))
    return Response(status, tuple(headers), body, gzip=compressed)


def error_response(error: ApiError) -> Response:
    """Return the response for an error."""
    request_id = str(uuid4())
    document = {"request_id": request_id, "error_code": error.code, "message": error.message}
    if error.code is None:
        del document["error_code"]
    return Response(
        error.status,
        (("content-type", "application/json"), ("x-request-id", request_id), *error.headers),
        json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "replace"),
    )
