"""Lets vcrpy record and replay calls: it puts connection classes of its own in the place of urllib3's."""

from functools import cache
from typing import Any


def genuine(connection_class: type) -> Any:
    """Return urllib3's own class, even if this is imported while a cassette has another in its place."""
    return next(base for base in connection_class.__mro__ if base.__module__ == "urllib3.connection")


@cache
def recorded(recorder: Any, connection_class: Any) -> Any:
    """Return a version of vcrpy's class `recorder` that works with a connection class of ours.

    What it records has secrets masked. What it sends has not, and its response is recorded as it came.
    """

    def request(
        self: Any,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *arguments: Any,
        **options: Any,
    ) -> None:
        self.real_connection.sent_headers = headers
        shown = {name: str(value) for name, value in headers.items()}
        recorder.request(self, method, url, body, shown, *arguments, **options)

    def send(self: Any, *arguments: Any, headers: object, **options: Any) -> None:  # noqa: ARG001 - those that are shown
        options.update(headers=self.sent_headers, preload_content=False, decode_content=False)
        connection_class.request(self, *arguments, **options)

    sending = type("Sending", (connection_class,), {"request": send})
    return type("Recorded", (recorder,), {"_baseclass": sending, "request": request})
