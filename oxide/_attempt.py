"""`oxide.Attempt`, the record of one attempt, and what its outcome means: may the server have acted, may it pass."""

from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["not sent", "unknown", "answered"]

# Passing failures of the rack or of a gateway in front of it: after them the same request may succeed.
PASSING_STATUSES: Final = frozenset({408, 425, 429, 502, 503, 504, *range(520, 525), 530})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one call, as seen by `on_attempt`, the log and `ApiException.attempts`.

    Attributes:
        operation: the operation, such as `image_view`.
        method: the HTTP method.
        path: the requested path, without the query.
        number: 1 for the first attempt.
        outcome: `not sent`, `unknown` or `answered`.
        status: the HTTP status code, or None if there was no response.
        request_id: the server's ID of the request, or None.
        error: what went wrong, or None.
        elapsed: how long it took, in seconds.
        delay: the backoff before the next attempt, in seconds; None if there is none.
    """

    operation: str
    method: str
    path: str
    number: int
    outcome: Outcome
    status: int | None
    request_id: str | None
    error: str | None
    elapsed: float
    delay: float | None


def may_have_acted(outcome: Outcome, status: int | None) -> bool:
    """Return whether the server may have done what an attempt asked for.

    Not if the request never left, nor if the status refuses it: a redirect, or 4xx other than 408, with which a gateway
    gives up on a server that may still be working.
    """
    if outcome == "answered":
        return status is not None and (status == 408 or not 300 <= status < 500)
    return outcome == "unknown"


def one_line(text: str, limit: int) -> str:
    """Return `text` on one line of printable characters, at most `limit` bytes of UTF-8."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * limit]).split())
    encoded = line.encode()
    if len(encoded) <= limit:
        return line
    return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"
