"""What an answer means: the result of its operation, or the exception for its status."""

import time
from codecs import getincrementaldecoder
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import from_json

from oxide._call.encoding import problem_at
from oxide._call.operation import Operation
from oxide._call.retry import parse_http_date, parse_retry_after
from oxide._transport.response import RESTResponse
from oxide.exceptions import ApiException, ApiResponseError, class_for
from oxide.models.error import Error

T = TypeVar("T")

MAX_KEPT_BODY = 2**20  # bytes of a body that an exception keeps; no error of the API is as long
_SNIPPET = 120  # characters of a body that a message shows


def decoded(operation: Operation[T], response: RESTResponse) -> T:
    """Return the result in a 2xx answer; raise `ApiResponseError` if it cannot be read."""
    model: Any = operation.result
    if operation.result is type(None):
        if response.data and _kind(response).lower().startswith("text/html"):
            # Not from the API, but from something in between that did not pass the request on.
            raise _unreadable(response, f"the body is not empty {_shown(response)}")
        nothing: Any = None
        return cast("T", nothing)
    body = response._parsable()
    try:
        if body:
            result: T = model.model_validate_json(body)
            return result
        problem = "the body is empty"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            problem = f"the body is not JSON {_shown(response)}"
        else:
            what = "missing" if first["type"] == "missing" else first["msg"]
            problem = problem_at(first["loc"], what)
    raise _unreadable(response, f"unreadable {model.__name__}: {problem}")


def _unreadable(response: RESTResponse, problem: str) -> ApiResponseError:
    return ApiResponseError(
        response.status,
        response.reason,
        message=problem,
        body=_text(response.data),
        headers=response.headers,
        request_id=response.headers.get("x-request-id"),
    )


def _kind(response: RESTResponse) -> str:
    return response.headers.get("content-type", "no content type")


def _shown(response: RESTResponse) -> str:
    return f"({_kind(response)}): {_text(response.data)[:_SNIPPET]!r}"


def refused(response: RESTResponse, limit: int, *, with_token: bool) -> ApiException:
    """Return the exception for an answer outside 2xx, from at most the first `limit` bytes of its body."""
    read = bytearray()
    with suppress(ApiException):
        while piece := response.read1(limit - len(read)):
            read += piece
    response.close()
    body = bytes(read)
    # The body may be cut: half a message is still useful, but half a code or ID is wrong.
    known = _members(body, cut_text=False)
    code, request_id = (_str_or_none(known.get(name)) for name in ("error_code", "request_id"))
    message = _str_or_none(_members(body, cut_text=True).get("message"))
    location_header = response.headers.get("location")
    if 300 <= response.status < 400:
        message = f"redirect to {location_header}" if location_header else "redirect without a target"
    try:
        data = Error.from_dict(known)
    except ValidationError:
        data = None
    return class_for(response.status, code)(
        response.status,
        response.reason,
        body=_text(body),
        data=data,
        headers=response.headers,
        error_code=code,
        message=message,
        request_id=request_id or response.headers.get("x-request-id"),
        retry_after=retry_after(response.headers),
        hint=_hint(response.status, code, message, location_header, with_token=with_token),
    )


def _members(body: bytes, *, cut_text: bool) -> dict[str, Any]:
    """Return the members of the JSON object in `body`, which may be cut; only with `cut_text` keep a cut string."""
    try:
        document = from_json(body, allow_partial="trailing-strings" if cut_text else True)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _str_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _hint(
    status: int, code: str | None, message: str | None, target: str | None, *, with_token: bool
) -> str | None:
    """Return what to do about an answer, if that is known."""
    if status == 401 and not with_token:
        return "no token was sent: set access_token, or use from_environment()"
    if status == 404 and code is None:
        return "the server has no such path: check the path in host"
    if message and message.startswith("not found: silo-image with name"):
        return "a name without a project is looked up in the silo only"
    if message == "Cannot promote a silo image":
        return "the image is already in the silo, or was given by name without its project"
    if status == 400 and message and message.startswith("server does not support this API version"):
        return "the rack is older than the api_version of the Configuration: set an older one, or None"
    if 300 <= status < 400:
        if target and target.lower().startswith("https://"):
            return "redirects are not followed: if that is the API, make it the host, with https://"
        return (
            "redirects are not followed: is the host an Oxide API, or does something in front ask to log in?"
        )
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, or None."""
    text = headers.get("retry-after")
    if text is None:
        return None
    # By the server's own clock if it sends the time, since ours may be wrong.
    now = parse_http_date(headers.get("date"))
    return parse_retry_after(text, time.time() if now is None else now)


def _text(body: bytes) -> str | bytes:
    kept = body[:MAX_KEPT_BODY]
    try:
        # A cut answer may end within a character.
        return getincrementaldecoder("utf-8")().decode(kept)
    except UnicodeDecodeError:
        return kept
