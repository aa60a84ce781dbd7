"""A cheap server for uploads, run as a program: it discards every chunk and keeps only one disk and one snapshot.

It prints its port, and exits when its standard input ends. Every operation that an upload needs has a response, right
for one upload after another; nothing is ever refused.
"""

import asyncio
import json
import re
import sys
from typing import Any

_ID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
_PROJECT_ID = "12345678-9abc-4def-8123-456789abcdef"
_TIMES = {"time_created": "2026-01-01T00:00:00.000000Z", "time_modified": "2026-01-01T00:00:00.000000Z"}
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\nx-request-id: 6d6f1f3a\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
# One for all connections: what is received is looked at before anything else is.
_received = bytearray(2**20)


class _Upload:
    """What the requests have said about the one upload that is under way."""

    disk: dict[str, Any] | None = None
    snapshot: dict[str, Any] | None = None

    def respond(self, method: str, path: str, body: bytes) -> bytes:
        """Return the response to a request for anything but a chunk."""
        sent = json.loads(body) if body else {}
        match method, *path.split("/")[2:]:
            case "GET", "utilization":
                amount = {"cpus": 64, "memory": 2**40, "storage": 2**50}
                return _response(200, {"capacity": amount, "provisioned": dict.fromkeys(amount, 0)})
            case "POST", "disks":
                self.disk = _new_disk(sent)
                return _response(201, self.disk | {"state": {"state": "creating"}})
            case "POST", "disks", _, "finalize":
                assert self.disk is not None
                self.disk["state"] = {"state": "detached"}
                self.snapshot = {
                    "id": _ID,
                    "name": sent["snapshot_name"],
                    "description": "",
                    "project_id": _PROJECT_ID,
                    "disk_id": _ID,
                    "size": self.disk["size"],
                    "state": "ready",
                    **_TIMES,
                }
                return _NO_CONTENT
            case "POST", "disks", _, action:
                assert self.disk is not None
                state = "importing_from_bulk_writes" if action == "bulk-write-start" else "import_ready"
                self.disk["state"] = {"state": state}
                return _NO_CONTENT
            case "POST", "images":
                assert self.disk is not None
                known = {name: sent[name] for name in ("name", "description", "os", "version")}
                size = {name: self.disk[name] for name in ("size", "block_size")}
                return _response(
                    201, {"id": _ID, "project_id": _PROJECT_ID, "digest": None, **known, **size, **_TIMES}
                )
            case "GET", "disks", _ if self.disk:
                return _response(200, self.disk)
            case "GET", "snapshots", _ if self.snapshot:
                return _response(200, self.snapshot)
            case "DELETE", "disks", _:
                self.disk = None
                return _NO_CONTENT
            case "DELETE", "snapshots", _:
                self.snapshot = None
                return _NO_CONTENT
        return _response(404, {"error_code": "ObjectNotFound", "message": "not found", "request_id": _ID})


def _new_disk(sent: dict[str, Any]) -> dict[str, Any]:
    source = sent["disk_source"] if "disk_source" in sent else sent["disk_backend"]["disk_source"]
    return {
        "id": _ID,
        "name": sent["name"],
        "description": sent["description"],
        "project_id": _PROJECT_ID,
        "snapshot_id": None,
        "image_id": None,
        "size": sent["size"],
        "block_size": source["block_size"],
        "state": {"state": "import_ready"},
        "device_path": f"/mnt/{sent['name']}",
        "disk_type": "crucible",
        **_TIMES,
    }


def _response(status: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    return (
        b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\nx-request-id: 6d6f1f3a\r\ncontent-length: %d\r\n\r\n%s"
        % (status, len(body), body)
    )


class _Server(asyncio.BufferedProtocol):
    def __init__(self, upload: _Upload) -> None:
        self._upload = upload
        self._head = b""
        self._missing = 0  # bytes of a chunk's body that are still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, _: int) -> bytearray:
        return _received

    def buffer_updated(self, count: int) -> None:
        if self._missing:
            self._missing -= count
            if not self._missing:
                self._transport.write(_NO_CONTENT)
            return
        self._head += _received[:count]
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        found = _LENGTH.search(head + b"\r\n")
        missing = (int(found[1]) if found else 0) - len(body)
        method, target, _ = head.decode().split(" ", 2)
        path = target.partition("?")[0]
        if path.endswith("/bulk-write"):
            self._head = b""
            self._missing = missing
            if not missing:
                self._transport.write(_NO_CONTENT)
        elif not missing:
            self._head = b""
            self._transport.write(self._upload.respond(method, path, body))


async def _serve() -> None:
    upload = _Upload()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(upload), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
