"""One call from end to end: request, attempts, answer, result or exception."""

import logging
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypedDict, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import from_json

from oxide._encoding import encode_body, encode_target, problem_at
from oxide._operations import Operation
from oxide._retry import Attempt, Failure, Policy, parse_http_date, parse_retry_after
from oxide._secrets import Headers, Secret, checked_token, masked
from oxide._settings import check_seconds, suggestion
from oxide._text import one_line
from oxide._wire import Exchange
from oxide.api_response import ApiResponse
from oxide.configuration import Configuration
from oxide.exceptions import (
    ApiException,
    ApiResponseError,
    ApiTypeError,
    ApiValueError,
    class_for,
)
from oxide.models.error import Error
from oxide.rest import RESTResponse, Transport

T = TypeVar("T")

_logger = logging.getLogger("oxide")

_SNIPPET = 120  # characters of a body that a message shows
_MAX_SHOWN = 200  # bytes of a server's text that an attempt, and so the log, shows
_MAX_KEPT_BODY = 2**20  # bytes of a body that an exception keeps; no error of the API has as many


class RequestOptions(TypedDict, total=False):
    """What every method takes as keyword arguments, for one call.

    Keys:
        _request_timeout: seconds for the whole call; or a pair, the seconds for one attempt to connect and the
            seconds of silence, both within the configuration's `timeout`; or None for no limit at all.
        _request_auth: the token to send instead of the configuration's; a `str` or a callable that returns one.
        _headers: headers to send in addition to the client's, or instead of those of the same name.
    """

    _request_timeout: float | tuple[float | None, float | None] | None
    _request_auth: str | Callable[[], str] | None
    _headers: Mapping[str, str] | None


class _Request(NamedTuple):
    """What stays the same from attempt to attempt; times in seconds, None for no limit."""

    operation: Operation[Any]
    target: str
    headers: dict[str, str]
    token: str | Callable[[], str] | None
    body: bytes | None
    timeout: float | None
    connect_timeout: float | None
    read_timeout: float | None


@dataclass(slots=True, eq=False, repr=False)
class Engine:
    """Runs the calls of one client.

    Attributes:
        configuration: the client's.
        transport: sends the requests.
        policy: decides on replays.
        default_headers: the client's own, which may change from call to call.
        refusal: why no credentials may be sent, or None.
        clock, sleep, jitter: time and chance.
    """

    configuration: Configuration
    transport: Transport
    policy: Policy
    default_headers: Headers
    refusal: str | None
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    jitter: Callable[[], float]

    def call(
        self, operation: Operation[T], options: RequestOptions, arguments: Mapping[str, Any], body: object
    ) -> ApiResponse[T]:
        """Run one operation and return its result with the answer; raise `ApiException` where there is none."""
        request = self._request(operation, options, arguments, body)
        response, attempts = self._run(request, preload=True)
        try:
            return ApiResponse(
                status_code=response.status,
                headers=response.headers,
                data=_decoded(operation, response),
                raw_data=response.data,
            )
        except ApiException as error:
            self._describe(error, request, attempts)
            raise

    def open(
        self, operation: Operation[Any], options: RequestOptions, arguments: Mapping[str, Any], body: object
    ) -> RESTResponse:
        """Run one operation and return its answer, whatever its status, the body still to be read."""
        request = self._request(operation, options, arguments, body)
        response, attempts = self._run(request, preload=False)
        response._describe = partial(self._describe, request=request, attempts=attempts)
        return self.transport.hand_out(response)

    def _request(
        self, operation: Operation[Any], options: RequestOptions, arguments: Mapping[str, Any], body: object
    ) -> _Request:
        if options:
            _check_options(operation, options)
        target = encode_target(operation, arguments)
        encoded = None if operation.body is None else encode_body(operation, body)
        headers = {"accept": "application/json", "accept-encoding": "gzip"}
        if self.configuration.api_version is not None:
            headers["api-version"] = self.configuration.api_version
        if encoded is not None:
            headers["content-type"] = "application/json"
        headers.update(self.default_headers.by_lower_name())
        token: Any = options.get("_request_auth")
        if token is None:
            token = self.configuration.access_token
        if own := options.get("_headers"):
            own = Headers(own).by_lower_name()
            headers.update(own)
            if "authorization" in own:
                token = None
        if self.refusal is not None and (
            token is not None or "authorization" in headers or "cookie" in headers
        ):
            raise ApiValueError(self.refusal)
        return _Request(operation, target, headers, token, encoded, *self._limits(operation, options))

    def _limits(
        self, operation: Operation[Any], options: RequestOptions
    ) -> tuple[float | None, float | None, float | None]:
        """Return the limits of a call: whole, connecting, silence."""
        settings = self.configuration
        # The server works on a POST or DELETE until it is done; leaving early only makes the outcome unknown.
        silence = settings.read_timeout if operation.method == "GET" else None
        if "_request_timeout" not in options:
            return settings.timeout, settings.connect_timeout, silence
        given = options["_request_timeout"]
        if given is None:
            return None, None, None
        if isinstance(given, tuple):
            if len(given) != 2:
                message = "_request_timeout: a pair is the seconds to connect and the seconds of silence"
                raise ApiValueError(message)
            connect, silence = (check_seconds("_request_timeout", part) for part in given)
            return settings.timeout, connect, silence
        return check_seconds("_request_timeout", given), settings.connect_timeout, silence

    def _run(self, request: _Request, *, preload: bool) -> tuple[RESTResponse, list[Attempt]]:
        """Return a 2xx answer, or any answer where its body is not to be preloaded, and how it was come by.

        Raises `ApiException` where there is none.
        """
        operation, clock, policy = request.operation, self.clock, self.policy
        started = clock()
        deadline = None if request.timeout is None else started + request.timeout
        attempts: list[Attempt] = []
        while True:
            headers = self._with_authorization(request)
            exchange = Exchange(clock, deadline, request.connect_timeout, request.read_timeout)
            response = failure = None
            try:
                response = self.transport.send(
                    operation.method, request.target, headers, request.body, exchange
                )
                if 200 <= response.status < 300:
                    if preload:
                        response.data  # noqa: B018 - read here, so that a cut answer counts as a failed attempt
                elif preload:
                    limit = min(_MAX_KEPT_BODY, self.configuration.max_response_bytes)
                    failure = _answered(response, limit, with_token="authorization" in headers)
                else:
                    failure = class_for(response.status, None)(
                        response.status, response.reason, retry_after=_retry_after(response.headers)
                    )
            except ApiException as error:
                failure = error
            ended = clock()
            step = None
            if failure is not None:
                step = policy.next(
                    Failure(
                        operation.method,
                        len(attempts) + 1,
                        failure.outcome,
                        failure._transient,
                        failure.status,
                        failure.retry_after,
                        None if deadline is None else deadline - ended,
                    ),
                    self.jitter(),
                )
            attempts.append(_attempt(request, len(attempts) + 1, response, failure, ended - started, step))
            self._report(attempts[-1])
            if response is not None and (failure is None or (step is None and not preload)):
                return response, attempts
            assert failure is not None  # noqa: S101 - an attempt has a response or a failure
            if step is None:
                self._describe(failure, request, attempts)
                try:
                    raise failure
                finally:
                    # The exception holds this frame; this frame must not hold the exception.
                    del failure
            if response is not None:
                response.close()
            delay, policy = step
            self.sleep(delay)
            started = clock()

    def _with_authorization(self, request: _Request) -> dict[str, str]:
        """Return the headers of one attempt; a callable token is asked anew for each."""
        token = request.token
        if token is None:
            return dict(request.headers)
        if callable(token):
            token = checked_token(token(), "what the callable for the token returned")
        return {**request.headers, "authorization": Secret("Bearer " + token)}

    def _describe(self, error: ApiException, request: _Request, attempts: list[Attempt]) -> None:
        error.operation = request.operation.id
        error.method = request.operation.method
        error.url = self.configuration.host + request.target
        error.attempts = tuple(attempts)

    def _report(self, attempt: Attempt) -> None:
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug(
                "%s: %s %s, attempt %d: %s in %.0f ms (request id %s)",
                attempt.operation,
                attempt.method,
                attempt.path,
                attempt.number,
                attempt.status if attempt.error is None else attempt.error,
                attempt.elapsed * 1000,
                attempt.request_id,
                extra={f"oxide_{name}": getattr(attempt, name) for name in Attempt.__slots__},
            )
        if self.configuration.on_attempt is not None:
            try:
                self.configuration.on_attempt(attempt)
            except Exception:
                _logger.exception("on_attempt raised; the call goes on")


def mask_options(options: RequestOptions) -> None:
    """Mask options in place, misspelled ones too, so that no frame of a traceback holds a plain secret."""
    values = cast("dict[str, Any]", options)
    for name, value in values.items():
        if name != "_request_timeout":
            values[name] = masked(value)


def _check_options(operation: Operation[Any], options: RequestOptions) -> None:
    for name in options:
        if name not in RequestOptions.__optional_keys__:
            message = f"{operation.id}() got an unexpected keyword argument {name!r}"
            if name in {"_content_type", "_host_index"}:
                message += ", which generated clients have: see docs/migrating.md"
            else:
                message += suggestion(name, (*operation.query, *sorted(RequestOptions.__optional_keys__)))
            raise ApiTypeError(message)
    headers, token = options.get("_headers"), options.get("_request_auth")
    if headers is not None and not isinstance(headers, Mapping):
        message = f"{operation.id}: _headers must map header names to values"
        raise ApiTypeError(message)
    if isinstance(token, str):
        options["_request_auth"] = checked_token(token, "_request_auth")
    elif token is not None and not callable(token):
        message = f"{operation.id}: _request_auth must be a token or a callable that returns one: see docs/migrating.md"
        raise ApiTypeError(message)


def _shown(text: str | None) -> str | None:
    """Return what a server says as it may stand in a log: on one line, and not long."""
    return None if text is None else one_line(text, _MAX_SHOWN)


def _attempt(
    request: _Request,
    number: int,
    response: RESTResponse | None,
    failure: ApiException | None,
    elapsed: float,
    step: tuple[float, Policy] | None,
) -> Attempt:
    return Attempt(
        operation=request.operation.id,
        method=request.operation.method,
        path=request.target.partition("?")[0],
        number=number,
        outcome="answered" if failure is None else failure.outcome,
        status=response.status if response is not None else failure.status if failure is not None else None,
        request_id=None if response is None else _shown(response.headers.get("x-request-id")),
        error=None
        if failure is None
        else _shown(f"{type(failure).__name__}: {failure.error_code or failure.reason}"),
        elapsed=elapsed,
        delay=None if step is None else step[0],
    )


def _decoded(operation: Operation[T], response: RESTResponse) -> T:
    model: Any = operation.result
    body = response.data
    if operation.result is type(None):
        nothing: Any = None
        return cast("T", nothing)
    try:
        if body:
            result: T = model.model_validate_json(body)
            return result
        problem = "a body was expected, but there is none"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            kind = response.headers.get("content-type", "no content type")
            problem = f"the body is not JSON ({kind}): {_text(body)[:_SNIPPET]!r}"
        else:
            what = "missing" if first["type"] == "missing" else first["msg"]
            problem = problem_at(first["loc"], what)
    raise ApiResponseError(
        response.status,
        response.reason,
        message=f"unreadable {model.__name__}: {problem}",
        body=_text(body),
        headers=response.headers,
        request_id=response.headers.get("x-request-id"),
    )


def _answered(response: RESTResponse, limit: int, *, with_token: bool) -> ApiException:
    """Return the exception for an answer outside 2xx, with what can be read of the first `limit` bytes of its body."""
    read = bytearray()
    with suppress(ApiException):
        while piece := response.read1(limit - len(read)):
            read += piece
    response.close()
    body = bytes(read)
    # The body may be cut: half a message still says something, half a code or ID is wrong.
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
        retry_after=_retry_after(response.headers),
        hint=_hint(response.status, code, message, location_header, with_token=with_token),
    )


def _members(body: bytes, *, cut_text: bool) -> dict[str, Any]:
    """Return the members of the JSON object that `body` is or begins, whole ones only unless `cut_text`."""
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
    """Return what to do about an answer, where that is known."""
    if status == 401 and not with_token:
        return "no token was sent: set access_token, or use from_environment()"
    if status == 404 and code is None:
        return "the server has no such path: check the one in host"
    if message == "Cannot promote a silo image":
        return (
            "it is in the silo already; an image of a project that is given by name needs its project as well"
        )
    if status == 400 and message and message.startswith("server does not support this API version"):
        return "the rack is older than the api_version of the Configuration: set an older one, or None"
    if 300 <= status < 400:
        if target and target.lower().startswith("https://"):
            return "redirects are not followed: if that is the API, make it the host, with https://"
        return (
            "redirects are not followed: is the host an Oxide API, or does something in front ask to log in?"
        )
    return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after")
    if text is None:
        return None
    # By the server's own clock, where it tells, so that ours may be wrong.
    now = parse_http_date(headers.get("date"))
    return parse_retry_after(text, time.time() if now is None else now)


def _text(body: bytes) -> str | bytes:
    kept = body[:_MAX_KEPT_BODY]
    try:
        # An answer that was cut, here or on the way, may end within a character.
        return getincrementaldecoder("utf-8")().decode(kept)
    except UnicodeDecodeError:
        return kept
