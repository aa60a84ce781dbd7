"""Raw HTTP for the tests of the simulator, which do not use the project's client."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from oxide.testing import Simulator


@dataclass(frozen=True)
class Reply:
    """One response, with its body read."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """Return what the body says."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str | None, str]:
        """Return status, code and message of an error."""
        return self.status, self.json.get("error_code"), self.json["message"]

    @property
    def names(self) -> list[str]:
        """Return the names of the images on a page."""
        return [item["name"] for item in self.json["items"]]


class Service(Protocol):
    """A simulator, in this process or another."""

    @property
    def url(self) -> str: ...
    @property
    def token(self) -> str: ...


class Caller:
    """One kept connection to a simulator; its requests carry the administrator's token unless told otherwise."""

    def __init__(self, simulator: Service):
        url = urlsplit(simulator.url)
        self._connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
        self._token = simulator.token

    def __call__(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send a request, its body as JSON unless it is bytes, and return the reply.

        By default it is the administrator's; `token=None` sends no credentials.
        """
        sent = {} if token is None else {"authorization": f"Bearer {token or self._token}"}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request(method, target, content, sent | (headers or {}))
        response = self._connection.getresponse()
        return Reply(response.status, response.headers, response.read())

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()


@contextmanager
def connected(simulator: Simulator) -> Iterator[socket.socket]:
    """Return a bare connection to the simulator."""
    url = urlsplit(simulator.url)
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        yield connection


def raw_request(simulator: Simulator, head: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request with the administrator's token; `head` is all but its last headers."""
    length = f"content-length: {len(body)}\r\n" if body else ""
    credentials = f"host: x\r\nauthorization: Bearer {simulator.token}\r\n"
    return f"{head}\r\n{credentials}{length}\r\n".encode("latin-1") + body


def read_to_end(connection: socket.socket) -> bytes:
    """Return everything that comes until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@dataclass(frozen=True)
class World:
    """The contents that most tests start with: two projects, a snapshot, an image in a project and one in the silo."""

    proj: UUID
    other: UUID
    snap: UUID
    pimg: UUID
    simg: UUID

    def body(self, **changes: object) -> dict[str, object]:
        """Return a create request's body."""
        body: dict[str, object] = {
            "name": "new",
            "description": "",
            "os": "alpine",
            "version": "edge",
            "source": {"type": "snapshot", "id": str(self.snap)},
        }
        return body | changes
