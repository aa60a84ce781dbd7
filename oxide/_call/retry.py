"""Decides whether a failed attempt is followed by a retry, and after which delay, as a pure function.

A repeatable request (a GET) is sent again after a failed connection, a cut response or a passing status such as 503;
any other (POST, DELETE) only if it provably never left. A failed TLS check, a silent server, a malformed
response and any other status end the call at once.
"""

import re
from datetime import UTC
from typing import NamedTuple, Protocol, Self

from oxide._attempt import PASSING_STATUSES, Outcome

# Seconds: full jitter over 0.5, 1, 2, 4, 8, 8, …, so that clients do not retry in step.
FIRST_BACKOFF = 0.5
MAX_BACKOFF = 8.0
# Seconds of Retry-After that are honoured in a call without a deadline.
MAX_UNBOUNDED_WAIT = 300.0
_MAX_RETRY_AFTER = 500  # characters that are looked at


class Failure(NamedTuple):
    """What the retry decision depends on.

    Attributes:
        method: the HTTP method.
        repeatable: whether the request does no harm if the server gets it twice.
        number: how many attempts there have been.
        outcome: whether the server may have acted.
        transient: whether the connection failed in a way that may not recur.
        status: the HTTP status code, or None if there was no response.
        retry_after: the seconds that the server asks for, or None.
        time_left: the seconds left for the call, or None for no limit.
    """

    method: str
    repeatable: bool
    number: int
    outcome: Outcome
    transient: bool
    status: int | None
    retry_after: float | None
    time_left: float | None


class Policy(Protocol):
    """Decides on retries."""

    def next(self, failure: Failure, jitter: float) -> "tuple[float, Policy] | None":
        """Return the seconds to wait before the next attempt, and the policy to use after it; None to give up.

        `jitter` is a random number from 0 to 1.
        """


class DefaultPolicy(NamedTuple):
    """The rules of this module, with at most `max_retries` retries."""

    max_retries: int

    def next(self, failure: Failure, jitter: float) -> tuple[float, Self] | None:
        """See `Policy`."""
        if failure.number > self.max_retries or not may_retry(failure):
            return None
        # The exponent is bounded, since a float would overflow.
        delay = jitter * min(MAX_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failure.number - 1, 9))
        if failure.retry_after is not None:
            delay = max(delay, failure.retry_after)
        return (delay, self) if is_in_time(delay, failure.time_left) else None


def may_retry(failure: Failure) -> bool:
    """Return whether repeating the call is safe and may help."""
    if failure.outcome == "not sent":
        return failure.transient
    return failure.repeatable and (failure.transient or failure.status in PASSING_STATUSES)


def is_in_time(delay: float, time_left: float | None) -> bool:
    """Return whether there is time for a backoff and another attempt."""
    return delay < (MAX_UNBOUNDED_WAIT if time_left is None else time_left)


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3), or None for garbage.

    Decimals are understood; of a header that was sent more than once, the longest time counts. `now` is the time, in
    seconds since the epoch, that a date is compared with.
    """
    # Dates have a comma too, after the day of the week.
    parts = re.split(r",(?![ \t]*[0-9]{1,2}[ \t-][A-Za-z]{3})", (text or "")[:_MAX_RETRY_AFTER])
    times = [_seconds(part.strip(), now) for part in parts]
    return max((seconds for seconds in times if seconds is not None), default=None)


def _seconds(text: str, now: float) -> float | None:
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text, re.ASCII):
        whole, _, decimals = text.lstrip("0").partition(".")
        return float(f"0{whole[:10]}.{decimals[:10]}0")
    moment = parse_http_date(text)
    return None if moment is None else max(0.0, moment - now)


def parse_http_date(text: str | None) -> float | None:
    """Return an HTTP date (RFC 9110, section 5.6.7) in seconds since the epoch, or None for garbage."""
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text or "")
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
