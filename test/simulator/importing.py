"""Steps that many tests of disks share, over raw HTTP."""

import base64
from typing import Any
from uuid import UUID

from simulator_http import Caller, Reply

from oxide.testing import Simulator

GIB = 2**30
CHUNK = 512 * 1024
IMPORTING = {"type": "importing_blocks", "block_size": 512}
# The versions of the API in which a disk changed, and the newest.
WITHOUT_BACKEND = {"api-version": "2025112000.0.0"}
WITH_BACKEND = {"api-version": "2025120300.0.0"}
WITH_READ_ONLY = {"api-version": "2026013001.0.0"}


def disk_body(name: str = "disk", **changes: Any) -> dict[str, object]:
    """Return the body that creates an import disk of 1 GiB; a change to None takes a member away."""
    body: dict[str, object] = {
        "name": name,
        "description": "",
        "size": GIB,
        "disk_backend": {"type": "distributed", "disk_source": IMPORTING},
    }
    return {key: value for key, value in (body | changes).items() if value is not None}


def create_disk(call: Caller, name: str = "disk", **changes: Any) -> str:
    """Create an import disk in the project `proj`, and return its ID."""
    reply = call("POST", "/v1/disks?project=proj", disk_body(name, **changes))
    assert reply.status == 201, reply.body
    return str(UUID(reply.json["id"]))


def start(call: Caller, disk: str) -> None:
    """Let a disk take bulk writes."""
    assert call("POST", f"/v1/disks/{disk}/bulk-write-start").status == 204


def stop(call: Caller, disk: str) -> None:
    """Let a disk take no more bulk writes."""
    assert call("POST", f"/v1/disks/{disk}/bulk-write-stop").status == 204


def write(call: Caller, disk: str, offset: int, data: bytes) -> Reply:
    """Write a chunk."""
    body = {"offset": offset, "base64_encoded_data": base64.b64encode(data).decode()}
    return call("POST", f"/v1/disks/{disk}/bulk-write", body)


def finalize(call: Caller, disk: str, snapshot: str | None = None) -> Reply:
    """End the import into a disk."""
    return call("POST", f"/v1/disks/{disk}/finalize", {"snapshot_name": snapshot})


def delete_disk(call: Caller, disk: str) -> Reply:
    """Delete a disk."""
    return call("DELETE", f"/v1/disks/{disk}")


def state(call: Caller, disk: str) -> str:
    """Return the state of a disk."""
    return str(call("GET", f"/v1/disks/{disk}").json["state"]["state"])


def snapshot(call: Caller, name: str) -> Any:
    """Return a snapshot of the project `proj`."""
    return call("GET", f"/v1/snapshots/{name}?project=proj").json


def create_image(call: Caller, snapshot_id: str, name: str = "image") -> Reply:
    """Create an image of a snapshot in the project `proj`."""
    source = {"type": "snapshot", "id": snapshot_id}
    body = {"name": name, "description": "", "os": "o", "version": "v", "source": source}
    return call("POST", "/v1/images?project=proj", body)


def import_image(call: Caller, chunks: dict[int, bytes], name: str = "image", **changes: object) -> str:
    """Make an image from chunks by offset, delete its disk and snapshot, and return its ID."""
    disk = create_disk(call, name, **changes)
    start(call, disk)
    for offset, data in chunks.items():
        assert write(call, disk, offset, data).status == 204
    stop(call, disk)
    assert finalize(call, disk, name).status == 204
    image = create_image(call, snapshot(call, name)["id"], name).json["id"]
    assert call("DELETE", f"/v1/snapshots/{name}?project=proj").status == 204
    assert delete_disk(call, disk).status == 204
    return str(image)


def provisioned(call: Caller) -> int:
    """Return how many bytes of the quota the silo's disks and snapshots use."""
    return int(call("GET", "/v1/utilization").json["provisioned"]["storage"])


def stored_extents(simulator: Simulator) -> list[int]:
    """Return the lengths of the extents that a simulator stores."""
    assert simulator._store
    return [len(row[0]) for row in simulator._store.rows("SELECT data FROM extent")]
