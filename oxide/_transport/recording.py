"""Lets vcrpy record and replay calls: it puts connection classes of its own in the place of urllib3's."""

from collections.abc import Mapping
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

    class Sending(connection_class):  # type: ignore[misc]  # made when there is a client
        # Those of the request under way.
        sent_headers: Mapping[str, Any]

        def request(self, *arguments: Any, headers: object, **options: Any) -> None:  # noqa: ARG002 - masked
            options.update(preload_content=False, decode_content=False)
            super().request(*arguments, headers=self.sent_headers, **options)

    class Recorded(recorder):  # type: ignore[misc]  # not known before
        _baseclass = Sending

        def request(
            self,
            method: str,
            url: str,
            body: Any = None,
            headers: Any = None,
            *arguments: Any,
            **options: Any,
        ) -> None:
            self.real_connection.sent_headers = headers
            shown = {name: str(value) for name, value in headers.items()}
            super().request(method, url, body, shown, *arguments, **options)

    return Recorded
