"""One call from end to end: request, attempts, answer, result or exception."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

from oxide._attempt import Attempt, one_line
from oxide._call.decoding import MAX_KEPT_BODY, decoded, refused, retry_after
from oxide._call.operation import Operation
from oxide._call.options import RequestOptions, check_options
from oxide._call.retry import Failure, Policy
from oxide._identity.secrets import Headers, checked_token
from oxide._transport.exchange import Exchange, Limits
from oxide._transport.response import RESTResponse
from oxide._transport.transport import Transport
from oxide.api_response import ApiResponse
from oxide.configuration import Configuration
from oxide.exceptions import ApiException, ApiValueError, class_for

T = TypeVar("T")

_logger = logging.getLogger("oxide")

_MAX_SHOWN = 200  # bytes of a server's text shown in an attempt, and so in the log


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


class Engine(NamedTuple):
    """Runs the calls of one client.

    Attributes:
        configuration: the client's.
        transport: sends the requests.
        policy: decides on replays.
        default_headers: the client's own, which may change between calls.
        refusal: why no credentials may be sent, or None.
        clock, sleep, jitter: as given to `ApiClient`.
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
        """Run one operation and return its result with the answer; raise `ApiException` if it fails."""
        request = self._request(operation, options, arguments, body)
        response, attempts = self._run(request, preload=True)
        try:
            return ApiResponse(
                status_code=response.status,
                headers=response.headers,
                data=decoded(operation, response),
                raw_data=response.data,
            )
        except ApiException as error:
            self._describe(error, request, attempts)
            raise

    def open(
        self, operation: Operation[Any], options: RequestOptions, arguments: Mapping[str, Any], body: object
    ) -> RESTResponse:
        """Run one operation and return its answer, whatever its status, with the body still unread."""
        request = self._request(operation, options, arguments, body)
        response, attempts = self._run(request, preload=False)
        response._describe = partial(self._describe, request=request, attempts=attempts)
        return self.transport.close_with_client(response)

    def _request(
        self, operation: Operation[Any], options: RequestOptions, arguments: Mapping[str, Any], body: object
    ) -> _Request:
        if options:
            check_options(operation, options)
        target = operation.target(arguments)
        encoded = operation.encode_body(body)
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
        """Return the limits of a call: for the whole call, for connecting and for silence."""
        settings = self.configuration
        # The server works on a POST or DELETE until it is done; giving up early only makes the outcome unknown.
        silence = settings.read_timeout if operation.repeatable else None
        if "_request_timeout" not in options:
            return settings.timeout, settings.connect_timeout, silence
        given = options["_request_timeout"]
        if given is None:
            return None, None, None
        if isinstance(given, tuple):
            return settings.timeout, *given
        return given, settings.connect_timeout, silence

    def _run(self, request: _Request, *, preload: bool) -> tuple[RESTResponse, list[Attempt]]:
        """Return the answer and the attempts it took; raise `ApiException` if none came.

        With `preload`, its body is read, and an answer outside 2xx raises too.
        """
        operation, clock, policy = request.operation, self.clock, self.policy
        started = clock()
        deadline = None if request.timeout is None else started + request.timeout
        attempts: list[Attempt] = []
        while True:
            headers = self._with_authorization(request)
            exchange = Exchange(
                clock, deadline, Limits(request.timeout, request.connect_timeout, request.read_timeout)
            )
            response = failure = None
            try:
                response = self.transport.send(
                    operation.method, request.target, headers, request.body, exchange
                )
                if 200 <= response.status < 300:
                    if preload:
                        response.data  # noqa: B018 - read here so that a cut answer is a failed attempt
                elif preload:
                    limit = min(MAX_KEPT_BODY, self.configuration.max_response_bytes)
                    failure = refused(response, limit, with_token="authorization" in headers)
                else:
                    failure = class_for(response.status, None)(
                        response.status, response.reason, retry_after=retry_after(response.headers)
                    )
            except ApiException as error:
                failure = error
            ended = clock()
            step = None
            if failure is not None:
                step = policy.next(
                    Failure(
                        operation.method,
                        operation.repeatable,
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
                if failure.outcome == "not sent" and any(one.outcome != "not sent" for one in attempts):
                    # This try did not leave, but an earlier one may have.
                    failure.outcome = "unknown"
                self._describe(failure, request, attempts)
                try:
                    raise failure
                finally:
                    # The exception refers to this frame, so the frame must not refer to it.
                    del failure
            if response is not None:
                response.close()
            delay, policy = step
            self.sleep(delay)
            started = clock()

    def _with_authorization(self, request: _Request) -> dict[str, str]:
        """Return the headers of one attempt; a callable token is called for each."""
        token = request.token
        if token is None:
            return dict(request.headers)
        if callable(token):
            token = checked_token(token(), "what the callable for the token returned")
        return {**request.headers, "authorization": "Bearer " + token}

    def _describe(self, error: ApiException, request: _Request, attempts: list[Attempt]) -> None:
        error.operation = request.operation.id
        error.method = request.operation.method
        error.url = self.configuration.host + request.target
        error.attempts = tuple(attempts)

    def _report(self, attempt: Attempt) -> None:
        if _logger.isEnabledFor(logging.DEBUG):
            fields = {f"oxide_{name}": getattr(attempt, name) for name in Attempt.__slots__}
            _logger.debug(_line(attempt), extra=fields)
        if self.configuration.on_attempt is not None:
            try:
                self.configuration.on_attempt(attempt)
            except Exception:
                _logger.exception("on_attempt raised; the call continues")


def _line(attempt: Attempt) -> str:
    """Return an attempt as a line of the log."""
    result = " ".join(str(part) for part in (attempt.status, attempt.error) if part is not None)
    return (
        f"{attempt.operation}: {attempt.method} {attempt.path}, attempt {attempt.number}: {result} "
        f"in {attempt.elapsed * 1000:.0f} ms"
        f"{f', request id {attempt.request_id}' if attempt.request_id else ''}"
        f"{f', again in {attempt.delay:.2f} s' if attempt.delay is not None else ''}"
    )


def _shown(text: str | None) -> str | None:
    """Return a server's text made fit for a log: on one line, and short."""
    return None if text is None else one_line(text, _MAX_SHOWN)


def _error(failure: ApiException) -> str | None:
    name, detail = type(failure).__name__, failure.error_code or failure.reason
    return _shown(name if detail == name else f"{name}: {detail}")


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
        error=None if failure is None else _error(failure),
        elapsed=elapsed,
        delay=None if step is None else step[0],
    )
