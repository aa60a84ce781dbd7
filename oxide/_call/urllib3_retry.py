"""Adapts a caller's `urllib3.Retry`: it counts and decides, our own loop does the retrying."""

import math
from typing import Any

from urllib3 import HTTPResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError
from urllib3.util.retry import Retry

from oxide._call import retry
from oxide.configuration import Configuration


def policy_of(configuration: Configuration) -> retry.Policy:
    """Return the retry policy that a configuration asks for."""
    retries = configuration.retries
    if isinstance(retries, Retry):
        return Urllib3Policy(retries)
    # A bool is an int: False means 0.
    return retry.DefaultPolicy(configuration.max_retries if retries is None else int(retries))


_NO_METHOD = frozenset({""})


class Urllib3Policy:
    """The rules of a `urllib3.Retry`."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Retry) -> None:
        allowed = rules.allowed_methods
        # To urllib3 an empty set means every method, with a warning at each copy; it means none, as it says.
        self._rules = rules if allowed or allowed is None else rules.new(allowed_methods=_NO_METHOD)

    def next(self, failure: retry.Failure, jitter: float) -> "tuple[float, Urllib3Policy] | None":  # noqa: ARG002 - Retry has its own
        """See `oxide._call.retry.Policy`."""
        rules = self._rules
        event: dict[str, Any]
        if failure.outcome == "not sent":
            if not failure.transient:
                return None
            event = {"error": ConnectTimeoutError()}
        elif not self._may_repeat(failure):
            return None
        elif failure.outcome == "unknown" or failure.transient:
            event = {"error": ProtocolError()}
        else:
            status = failure.status or 0
            if not rules.is_retry(failure.method, status, failure.retry_after is not None):
                return None
            event = {"response": HTTPResponse(status=status)}
        try:
            following = rules.increment(failure.method, None, **event)
        except HTTPError:
            return None
        delay = following.get_backoff_time()
        if failure.retry_after is not None and rules.respect_retry_after_header:
            # New in urllib3 2.7.
            delay = min(failure.retry_after, getattr(rules, "retry_after_max", math.inf))
        return (delay, Urllib3Policy(following)) if retry.is_in_time(delay, failure.time_left) else None

    def _may_repeat(self, failure: retry.Failure) -> bool:
        allowed = self._rules.allowed_methods
        if allowed is None:
            return True
        # Retry's default counts DELETE as safe to send twice, which the caller has not asked for. A copy is equal to it.
        if frozenset(allowed) == frozenset(Retry.DEFAULT_ALLOWED_METHODS):
            return failure.repeatable
        return failure.method in allowed
