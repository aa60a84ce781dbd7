"""One call from end to end: request, attempts, response, result or exception."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

from oxide._attempt import Attempt
from oxide._call.decoding import MAX_KEPT_BODY, class_for, decoded, refused, retry_after
from oxide._call.echo import Echo
from oxide._call.operation import Operation
from oxide._call.options import RequestOptions
from oxide._call.request import Request, make_request
from oxide._call.retry import Failure, Policy
from oxide._call.watching import attempt_of, show
from oxide._identity.secrets import Headers, Secret, SecretSource, checked_token
from oxide._transport.exchange import Exchange
from oxide._transport.response import RESTResponse
from oxide._transport.transport import Transport
from oxide.api_response import ApiResponse
from oxide.configuration import Configuration
from oxide.exceptions import ApiException

T = TypeVar("T")


class Engine(NamedTuple):
    """Runs the calls of one client, whose headers may change between them.

    `refusal` is why no credentials may be sent, or None; `clock`, `sleep` and `jitter` are those of `ApiClient`.
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
        """Run one operation and return its result with the response; raise `ApiException` if it fails."""
        response, describe, echo = self._run(operation, options, arguments, body, preload=True)
        try:
            return ApiResponse(
                status_code=response.status,
                headers=response.headers,
                data=decoded(operation, response, echo),
                raw_data=response.data,
            )
        except ApiException as error:
            describe(error)
            raise

    def open(
        self, operation: Operation[Any], options: RequestOptions, arguments: Mapping[str, Any], body: object
    ) -> RESTResponse:
        """Run one operation and return its response, whatever its status, with the body still unread."""
        response, describe, _ = self._run(operation, options, arguments, body, preload=False)
        response._describe = describe
        return self.transport.close_with_client(response)

    def _run(
        self,
        operation: Operation[Any],
        options: RequestOptions,
        arguments: Mapping[str, Any],
        body: object,
        *,
        preload: bool,
    ) -> tuple[RESTResponse, Callable[[ApiException], None], Echo]:
        """Return the response, and what adds the details of the call to an exception; see `_until_done`."""
        try:
            request = make_request(
                self.configuration, self.default_headers, self.refusal, operation, options, arguments, body
            )
            return self._until_done(request, preload=preload)
        except StopIteration as error:
            # It would end a loop over a listing as if nothing were missing; generators do the same.
            raise RuntimeError(f"{operation.id}: a callable of the program raised StopIteration") from error

    def _until_done(
        self, request: Request, *, preload: bool
    ) -> tuple[RESTResponse, Callable[[ApiException], None], Echo]:
        """Make attempts until one succeeds or no other may follow; raise `ApiException` if the last one failed.

        With `preload`, the body is read, and a response outside 2xx raises too.
        """
        started = self.clock()
        deadline = None if request.limits.whole is None else started + request.limits.whole
        policy, attempts = self.policy, list[Attempt]()
        token = _read_token(request)
        may_renew = isinstance(request.token, SecretSource)
        while True:
            response, failure, echo = self._attempt(request, token, deadline, preload=preload)
            ended = self.clock()
            try:
                step = (
                    None
                    if failure is None
                    else self._next(policy, request, failure, len(attempts) + 1, deadline, ended)
                )
                renewed = None
                if may_renew and failure is not None and failure.status == 401:
                    # Judged before anything happened, so even a write may be sent again.
                    may_renew, fresh = False, _read_token(request)
                    if fresh != token:
                        renewed, step = fresh, (0.0, policy)
                delay = None if step is None else step[0]
                attempts.append(
                    attempt_of(request, len(attempts) + 1, response, failure, echo, ended - started, delay)
                )
                show(attempts[-1], self.configuration.on_attempt)
            except BaseException:
                if response is not None:
                    response.close()
                raise
            describe = partial(self._describe, request=request, attempts=attempts, echo=echo)
            if response is not None and (failure is None or (step is None and not preload)):
                return response, describe, echo
            assert failure is not None  # noqa: S101 - an attempt has a response or a failure
            if step is None:
                if failure.outcome == "not sent" and any(one.outcome != "not sent" for one in attempts):
                    # This attempt did not leave, but an earlier one may have.
                    failure.outcome = "unknown"
                describe(failure)
                try:
                    raise failure
                finally:
                    # The exception refers to this frame, so the frame must not refer to it.
                    del failure
            if response is not None:
                response.close()
            if renewed is None:
                delay, policy = step
                self.sleep(delay)
            started = self.clock()
            token = renewed or _read_token(request)

    def _attempt(
        self, request: Request, token: Secret | None, deadline: float | None, *, preload: bool
    ) -> tuple[RESTResponse | None, ApiException | None, Echo]:
        """Send a request once, and read its response with `preload`; one outside 2xx is a failure too."""
        headers = dict(request.headers)
        if token is not None:
            headers["authorization"] = Secret(f"Bearer {token.reveal()}")
        echo = Echo(headers)
        exchange = Exchange(self.clock, deadline, request.limits)
        response = failure = None
        try:
            response = self.transport.send(
                request.operation.method, request.target, headers, request.body, exchange
            )
            if 200 <= response.status < 300:
                if preload:
                    response.data  # noqa: B018 - read here so that a cut response is a failed attempt
            elif preload:
                limit = min(MAX_KEPT_BODY, self.configuration.max_response_bytes)
                role = request.operation.needed_role(request.arguments)
                failure = refused(response, limit, echo, credentials_from=request.credentials_from, role=role)
            else:
                failure = class_for(response.status, None)(
                    response.status, response.reason, retry_after=retry_after(response.headers)
                )
        except ApiException as error:
            failure = error
        if failure is not None:
            echo.mask_error(failure)
        return response, failure, echo

    def _next(
        self,
        policy: Policy,
        request: Request,
        failure: ApiException,
        number: int,
        deadline: float | None,
        now: float,
    ) -> tuple[float, Policy] | None:
        """Return the seconds to wait before the next attempt, and the policy after it; None to give up."""
        facts = Failure(
            method=request.operation.method,
            repeatable=request.operation.repeatable,
            number=number,
            outcome=failure.outcome,
            transient=failure._transient,
            status=failure.status,
            retry_after=failure.retry_after,
            time_left=None if deadline is None else deadline - now,
        )
        return policy.next(facts, self.jitter())

    def _describe(self, error: ApiException, request: Request, attempts: list[Attempt], echo: Echo) -> None:
        error.operation = request.operation.id
        error.method = request.operation.method
        error.url = self.configuration.host + request.target
        error.attempts = tuple(attempts)
        error._repeatable = request.operation.repeatable
        echo.mask_error(error)


def _read_token(request: Request) -> Secret | None:
    """Return the token of an attempt; a callable is called for each."""
    token = request.token
    if isinstance(token, SecretSource):
        return checked_token(token(), "what the callable for the token returned")
    return token
