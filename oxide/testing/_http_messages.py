"""Requests as they arrived, and responses as they will be sent."""

import re
from dataclasses import dataclass
from functools import cached_property

_ABSOLUTE_TARGET = re.compile(r"https?://[^/?]*", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `body` is cut just beyond the size that the service accepts."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def path(self) -> str:
        """Return the path as written."""
        return self._path_and_query[0]

    @property
    def query(self) -> str:
        """Return the query as written, without the question mark."""
        return self._path_and_query[1]

    @cached_property
    def _path_and_query(self) -> tuple[str, str]:
        absolute = _ABSOLUTE_TARGET.match(self.target)
        path, _, query = (self.target[absolute.end() :] if absolute else self.target).partition("?")
        return path or "/", query

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of this (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True)
class Response:
    """One response.

    `headers` exclude those that frame the body. With `gzip`, the body is compressed when it is sent.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    gzip: bool = False
