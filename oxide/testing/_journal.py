"""The record of the requests that arrived, for tests to assert on."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from oxide.testing._http_messages import Request, Response
from oxide.testing._parameters import parse_query

KEPT_REQUESTS: Final = 10_000
KEPT_BODY_BYTES: Final = 65_536
# Enough of a chunk to see its offset.
KEPT_CHUNK_BYTES: Final = 256
KEPT_RESPONSE_BYTES: Final = 4_096
_SHOWN_SCHEMES: Final = {"basic", "bearer"}
_MASKED_HEADERS: Final = {"authorization", "cookie", "proxy-authorization"}


@dataclass(frozen=True)
class ReceivedRequest:
    """One request that the simulator received.

    Attributes:
        method: the HTTP method.
        target: the raw request target.
        path: the path of the target as written.
        query: the decoded parameters; the last one if a name appears twice.
        headers: with names in lower case; equal ones are joined by a comma, and credentials are masked.
        body: the request's body, at most its first 64 KiB, or 256 bytes of a bulk write.
        operation: the operation by its name in the API, such as `image_view`, or None if there is no such operation.
        user: the user the credentials belong to, or None.
        status: that of the response; None if there is none yet, or if the connection was dropped instead.
        answer: the response's body before compression and faults, at most its first 4 KiB.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    operation: str | None
    user: str | None = None
    status: int | None = None
    answer: bytes = b""


class Journal:
    """The last requests, in the order of their arrival; safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: dict[int, ReceivedRequest] = {}
        self._arrived = 0
        self._finished = 0

    def arrived(self, request: Request, operation: str | None, user: str | None) -> int:
        """Record a request and return its number."""
        kept = KEPT_CHUNK_BYTES if operation == "disk_bulk_write_import" else KEPT_BODY_BYTES
        received = ReceivedRequest(
            method=request.method,
            target=request.target,
            path=request.path,
            query=dict(parse_query(request.query)),
            headers=_masked(request.headers),
            body=request.body[:kept],
            operation=operation,
            user=user,
        )
        with self._changed:
            self._arrived += 1
            self._requests[self._arrived] = received
            self._requests.pop(self._arrived - KEPT_REQUESTS, None)
            self._changed.notify_all()
            return self._arrived

    def responded(self, number: int, response: Response) -> None:
        """Record the response that is about to be sent to that request."""
        with self._changed:
            if number in self._requests:
                self._requests[number] = replace(
                    self._requests[number],
                    status=response.status,
                    answer=response.body[:KEPT_RESPONSE_BYTES],
                )

    def finished(self) -> None:
        """Record that one more request is over, with or without a response."""
        with self._changed:
            self._finished += 1
            self._changed.notify_all()

    def wait(self, count: int, timeout: float, *, finished: bool) -> bool:
        """Wait up to `timeout` seconds until `count` requests have arrived, or are over; return whether they have."""
        with self._changed:
            return self._changed.wait_for(
                lambda: (self._finished if finished else self._arrived) >= count, timeout
            )

    @property
    def count(self) -> int:
        """Return how many requests have arrived."""
        return self._arrived

    def snapshot(self) -> list[ReceivedRequest]:
        """Return the requests recorded so far."""
        with self._changed:
            return list(self._requests.values())


def _masked(headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    masked: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        if name in _MASKED_HEADERS:
            scheme, _, _ = value.partition(" ")
            value = f"{scheme} ***" if scheme.lower() in _SHOWN_SCHEMES else "***"
        masked[name] = f"{masked[name]}, {value}" if name in masked else value
    return masked
