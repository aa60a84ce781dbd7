"""Shows each attempt and each retry to the log and to `on_attempt`; only what is listed here is shown."""

import logging
from collections.abc import Callable
from typing import Final

from oxide._attempt import Attempt, one_line
from oxide._call.echo import Echo
from oxide._call.request import Request
from oxide._traceback import calls_users_code
from oxide._transport.failures import is_from_signal_handler
from oxide._transport.response import RESTResponse
from oxide.exceptions import ApiException

_logger = logging.getLogger("oxide")

_MAX_SHOWN: Final = 200  # bytes of a server's text shown in an attempt, and so in the log


def attempt_of(
    request: Request,
    number: int,
    response: RESTResponse | None,
    failure: ApiException | None,
    echo: Echo,
    elapsed: float,
    delay: float | None,
) -> Attempt:
    """Return the public record of an attempt; `delay` is None if it is the last one."""
    request_id = None if response is None else response.headers.get("x-request-id")
    return Attempt(
        operation=request.operation.id,
        method=request.operation.method,
        path=request.target.partition("?")[0],
        number=number,
        outcome="answered" if failure is None else failure.outcome,
        status=response.status if response is not None else failure.status if failure is not None else None,
        request_id=None if request_id is None else one_line(echo.masked(request_id), _MAX_SHOWN),
        error=None if failure is None else _error(failure),
        elapsed=elapsed,
        delay=delay,
    )


def _error(failure: ApiException) -> str:
    name, detail = type(failure).__name__, failure.error_code or failure.reason
    return one_line(name if detail == name else f"{name}: {detail}", _MAX_SHOWN)


@calls_users_code
def show(attempt: Attempt, on_attempt: Callable[[Attempt], object] | None) -> None:
    """Log an attempt, and the retry that follows it, and call `on_attempt`."""
    if _logger.isEnabledFor(logging.DEBUG if attempt.delay is None else logging.INFO):
        fields = {f"oxide_{name}": getattr(attempt, name) for name in Attempt.__slots__}
        line = _line(attempt)
        _logger.debug(line, extra=fields)
        if attempt.delay is not None:
            _logger.info(f"{line}, retrying in {attempt.delay:.2f} s", extra=fields)
    if on_attempt is not None:
        try:
            on_attempt(attempt)
        except Exception as error:
            if is_from_signal_handler(error):
                raise
            _logger.exception("on_attempt raised; the call continues")


def _line(attempt: Attempt) -> str:
    result = " ".join(str(part) for part in (attempt.status, attempt.error) if part is not None)
    return (
        f"{attempt.operation}: {attempt.method} {attempt.path}, attempt {attempt.number}: {result} "
        f"in {attempt.elapsed * 1000:.0f} ms"
        f"{f', request id {attempt.request_id}' if attempt.request_id else ''}"
    )
