"""One attempt of a call, as `on_attempt`, the log and `ApiException.attempts` show it."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["not sent", "unknown", "answered"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one call, as seen by `on_attempt`, the log and `ApiException.attempts`.

    Attributes:
        operation: the operation, such as `image_view`.
        method: the HTTP method.
        path: the path asked for, without the query.
        number: 1 for the first try.
        outcome: `not sent`, `unknown` or `answered`.
        status: the HTTP status code, or None if there was no answer.
        request_id: the server's ID of the request, or None.
        error: what went wrong, or None.
        elapsed: how long it took, in seconds.
        delay: the pause before the next try, in seconds; None if there is no next try.
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


def one_line(text: str, limit: int) -> str:
    """Return `text` on one line of printable characters, at most `limit` bytes of UTF-8."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * limit]).split())
    encoded = line.encode()
    if len(encoded) <= limit:
        return line
    return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"
