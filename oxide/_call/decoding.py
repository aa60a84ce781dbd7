"""What a response means: the result of its operation, or the exception for its status."""

import time
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import from_json

from oxide._call.echo import Echo
from oxide._call.encoding import problem_at
from oxide._call.hints import Refusal, hint_for
from oxide._call.operation import Operation
from oxide._call.retry import parse_http_date, parse_retry_after
from oxide._transport.response import RESTResponse
from oxide.exceptions import (
    ApiException,
    ApiResponseError,
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    ObjectAlreadyExists,
    RedirectException,
    ServiceException,
    TooManyRequestsException,
    UnauthorizedException,
    UnprocessableEntityException,
)
from oxide.models.error import Error

T = TypeVar("T")

MAX_KEPT_BODY = 2**20  # bytes of a body that an exception keeps; no error of the API is as long
_EXCERPT = 120  # characters of a body that a message shows

_CLASSES: Final[Mapping[int, type[ApiException]]] = {
    400: BadRequestException,
    401: UnauthorizedException,
    403: ForbiddenException,
    404: NotFoundException,
    409: ConflictException,
    422: UnprocessableEntityException,
    429: TooManyRequestsException,
    **dict.fromkeys(range(300, 400), RedirectException),
    **dict.fromkeys(range(500, 600), ServiceException),
}


def _is_json(body: bytes) -> bool:
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def decoded(operation: Operation[T], response: RESTResponse, echo: Echo) -> T:
    """Return the result in a 2xx response; raise `ApiResponseError` if it cannot be read."""
    model: Any = operation.result
    if model is type(None):
        if response.data and not _is_json(response.data):
            # Not from the API, but from something in between that did not pass the request on, such as a login page.
            raise _unreadable(response, echo, f"the body is not empty {_excerpt(response, echo)}")
        return cast("T", None)
    body = response._parsable()
    try:
        if body:
            result: T = model.from_json(body)
            return result
        problem = "the body is empty"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            problem = f"the body is not JSON {_excerpt(response, echo)}"
        else:
            what = "missing" if first["type"] == "missing" else first["msg"]
            problem = problem_at(first["loc"], what)
    raise _unreadable(response, echo, f"unreadable {model.__name__}: {problem}")


def _unreadable(response: RESTResponse, echo: Echo, problem: str) -> ApiResponseError:
    return ApiResponseError(
        response.status,
        response.reason,
        message=problem,
        body=_text(_kept(response, echo)),
        headers=response.headers,
        request_id=response.headers.get("x-request-id"),
    )


def _content_type(response: RESTResponse) -> str:
    return response.headers.get("content-type", "no content type")


def _kept(response: RESTResponse, echo: Echo) -> bytes:
    return echo.masked(response.data[:MAX_KEPT_BODY], is_cut=len(response.data) > MAX_KEPT_BODY)


def _excerpt(response: RESTResponse, echo: Echo) -> str:
    return f"({_content_type(response)}): {_text(_kept(response, echo))[:_EXCERPT]!r}"


def refused(
    response: RESTResponse, limit: int, echo: Echo, *, credentials_from: str, role: str
) -> ApiException:
    """Return the exception for a response outside 2xx, from at most the first `limit` bytes of its body.

    `credentials_from` and `role` are those of a `Refusal`.
    """
    echo.mask_headers(response.headers)
    # `getvalue` does not copy.
    read = BytesIO()
    unread = ""
    try:
        while piece := response.read1(limit - read.tell()):
            read.write(piece)
    except ApiException as error:
        unread = f"the body could not be read: {error.message or error.reason}"
    response.close()
    body = echo.masked(read.getvalue(), is_cut=read.tell() == limit)
    # The body may be cut: half a message is still useful, but half a code or ID is wrong.
    known = _members(body, cut_text=False)
    code, request_id = (_str_or_none(known.get(name)) for name in ("error_code", "request_id"))
    request_id = request_id or response.headers.get("x-request-id")
    message = _str_or_none(_members(body, cut_text=True).get("message"))
    problem = ""
    if message is None and (body or unread or response.status == 404):
        foreign = f"this is no response of the Oxide API ({_content_type(response):.80}): it may come from something in front"
        problem = unread or f"{foreign} of it, or host may be wrong"
    if 300 <= response.status < 400:
        location = response.headers.get("location")
        message = f"redirect to {location}" if location else "redirect without a target"
    refusal = Refusal(response.status, code, message or "", problem, credentials_from, role)
    return class_for(response.status, code)(
        response.status,
        response.reason,
        body=_text(body),
        data=_error(known, code, request_id),
        headers=response.headers,
        error_code=code,
        message=message,
        request_id=request_id,
        retry_after=retry_after(response.headers),
        hint=hint_for(refusal),
    )


def class_for(status: int, error_code: str | None) -> type[ApiException]:
    """Return the exception class for a response with a status outside 2xx."""
    if status == 400 and error_code == ObjectAlreadyExists.__name__:
        return ObjectAlreadyExists
    return _CLASSES.get(status, ApiException)


def _error(known: dict[str, Any], code: str | None, request_id: str | None) -> Error | None:
    """Return the body as the model of an error; None without a message."""
    if not isinstance(known.get("message"), str):
        return None
    members = {**known, "error_code": code, "request_id": request_id or ""}
    if code is None:
        del members["error_code"]
    return Error.from_dict(members)


def _members(body: bytes, *, cut_text: bool) -> dict[str, Any]:
    """Return the members of the JSON object in `body`, which may be cut; only with `cut_text` keep a cut string."""
    try:
        document = from_json(
            body.removeprefix(BOM_UTF8), allow_partial="trailing-strings" if cut_text else True
        )
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _str_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait, or None."""
    text = headers.get("retry-after")
    if text is None:
        return None
    # By the server's own clock if it sends the time, since ours may be wrong.
    now = parse_http_date(headers.get("date"))
    return parse_retry_after(text, time.time() if now is None else now)


def _text(body: bytes) -> str | bytes:
    kept = body[:MAX_KEPT_BODY]
    try:
        # A cut response may end within a character.
        return getincrementaldecoder("utf-8")().decode(kept)
    except UnicodeDecodeError:
        return kept
