"""A cheap server, run as a program: every response is prebuilt, and connections stay open.

It prints its port, and exits when its standard input ends. `/v1/images/{image}` is one image; `/v1/images` has pages of
`limit` images, each with a token for the next: as many full pages as the command line says, and then an empty one.
A response is plain with a Content-Length or, under the path prefix `/gzip`, compressed and chunked as the real service
sends it. `/connections` returns the number of connections so far.
"""

import asyncio
import gzip
import json
import random
import sys
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

PAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 1
_connections = 0


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        global _connections
        _connections += 1
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            target = self._received.split(b" ", 2)[1]
            self._received = b""
            self._transport.writelines(_response(target))


def _response(target: bytes) -> tuple[bytes, ...]:
    if target == b"/connections":
        return _framed(str(_connections).encode())
    return _image_response(target.decode())


@cache
def _image_response(target: str) -> tuple[bytes, ...]:
    url = urlsplit(target)
    path = url.path.removeprefix("/gzip")
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    if path == "/v1/images":
        number = int(query.get("page_token", "0"))
        items = _items(int(query["limit"])) if number < PAGES else b"[]"
        token = b'"%d"' % (number + 1) if number < PAGES else b"null"
        body = b'{"next_page":' + token + b',"items":' + items + b"}"
    else:
        body = _json(_image(0))
    return _framed(body, compressed=path != url.path)


def _framed(body: bytes, *, compressed: bool = False) -> tuple[bytes, ...]:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nvary: accept-encoding\r\n"
    head += b"x-request-id: 6d6f1f3a-63d5-4b57-b52e-3e41bd0e0ee5\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    if not compressed:
        return (b"%scontent-length: %d\r\n\r\n" % (head, len(body)), body)
    body = gzip.compress(body, compresslevel=1, mtime=0)
    pieces = [body[start : start + 2**14] for start in range(0, len(body), 2**14)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return (head + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n", chunks + b"0\r\n\r\n")


@cache
def _items(count: int) -> bytes:
    return _json([_image(number) for number in range(count)])


def _image(number: int) -> dict[str, Any]:
    """Return an image as the real service writes one: times with three or six digits, digest null."""
    chance = random.Random(number)
    created = (
        f"2025-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:07.{number:06}Z"
    )
    return {
        "id": str(UUID(int=chance.getrandbits(128), version=4)),
        "name": f"debian-12-build-{number}",
        "description": f"Debian 12 with the tools of the build farm, number {number}",
        "time_created": created,
        "time_modified": created,
        "project_id": str(UUID(int=chance.getrandbits(128), version=4)) if number % 2 else None,
        "os": "debian",
        "version": "12.7",
        "digest": None,
        "block_size": (512, 2048, 4096)[number % 3],
        "size": 2**30 * (1 + number % 64),
    }


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
