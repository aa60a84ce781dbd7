"""Imports into a disk: bulk writes, and the finalization."""

from typing import Final
from uuid import UUID, uuid4

from oxide.testing import _messages
from oxide.testing._bodies import BulkWrite
from oxide.testing._errors import ApiError
from oxide.testing._roles import Actor
from oxide.testing._service.access import authenticated
from oxide.testing._service.capacity import check_quota, check_space
from oxide.testing._service.disks import changeable_disk
from oxide.testing._service.sagas import Saga, finish_disk
from oxide.testing._store import DiskRow, NameTaken, Store

_CHUNK_BYTES_MAX: Final = 512 * 1024
_FORWARDED_BYTES_MAX: Final = 1_049_600


def bulk_write_start(
    store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None
) -> None:
    """Let a disk take bulk writes."""
    disk = changeable_disk(store, authenticated(actor), selector, project)
    if disk["state"] != "import_ready":
        raise _wrong_state(disk, 'cannot set disk in state {} to "importing_from_bulk_writes"')
    store.disks.set_state(disk["id"], "importing_from_bulk_writes")


def bulk_write(
    store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None, write: BulkWrite
) -> None:
    """Store a chunk."""
    disk = changeable_disk(store, actor, selector, project)
    if disk["state"] != "importing_from_bulk_writes":
        raise _wrong_state(disk, "cannot import blocks with a bulk write for disk in state {}")
    if write.data is None:
        raise ApiError.invalid_request(message=f"error base64 decoding data: {_messages.NOT_BASE64}")
    if problem := _pantry_problem(disk, write.offset, write.data, write.encoded):
        raise ApiError.invalid_request(message=problem)
    if disk["volume"] is not None:
        store.volumes.write(disk["volume"], write.offset, write.data)


def bulk_write_stop(
    store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None
) -> None:
    """Let a disk take no more bulk writes."""
    disk = changeable_disk(store, authenticated(actor), selector, project)
    if disk["state"] != "importing_from_bulk_writes":
        raise _wrong_state(disk, 'cannot set disk in state {} to "import_ready"')
    store.disks.set_state(disk["id"], "import_ready")


def finalize(
    store: Store,
    actor: Actor | None,
    selector: str | UUID,
    project: str | UUID | None,
    snapshot_name: str | None,
    now: str,
) -> Saga:
    """Begin to detach a disk from its pantry; with a name, take a snapshot first."""
    disk = changeable_disk(store, authenticated(actor), selector, project)
    if disk["state"] != "import_ready":
        raise _wrong_state(disk, "cannot finalize disk in state DiskState({})")
    store.disks.set_state(disk["id"], "finalizing")
    if snapshot_name is not None:
        _begin_snapshot(store, disk, snapshot_name, now)

    def undo() -> None:
        store.snapshots.undo(disk["id"])
        store.disks.set_state(disk["id"], "import_ready")

    return Saga(lambda: finish_disk(store, {**disk, "state": "finalizing"}), undo)


def lose_pantry(store: Store, selector: str | UUID, project: str | UUID | None) -> None:
    """Make the pantry forget a disk, if there is such a disk."""
    project_id = None if project is None else store.projects.id(project)
    if isinstance(selector, UUID):
        disk = store.disks.by_id(selector)
    else:
        disk = None if project_id is None else store.disks.by_name(selector, project_id)
    if disk is not None:
        store.disks.lose_pantry(disk["id"])


def _begin_snapshot(store: Store, disk: DiskRow, name: str, now: str) -> None:
    check_space(store, disk["size"])
    try:
        store.snapshots.add(
            {
                "id": str(uuid4()),
                "name": name,
                "description": f"snapshot of finalized disk {disk['id']}",
                "time_created": now,
                "project_id": disk["project_id"],
                "disk_id": disk["id"],
                "state": "creating",
                "size": disk["size"],
                "block_size": disk["block_size"],
                "volume": disk["volume"],
            }
        )
    except NameTaken:
        raise ApiError.already_exists(kind="snapshot", name=name) from None
    check_quota(store)
    if disk["pantry_lost"]:
        raise ApiError.internal()


def _pantry_problem(disk: DiskRow, offset: int, data: bytes, encoded: int) -> str | None:
    """Return why the disk's pantry refuses a chunk, or None; the checks are in the pantry's order."""
    if len(f'{{"offset":{offset},"base64_encoded_data":""}}') + encoded > _FORWARDED_BYTES_MAX:
        return f"request body exceeded maximum size of {_FORWARDED_BYTES_MAX} bytes"
    if disk["pantry_lost"]:
        return "Not Found"
    if len(data) > _CHUNK_BYTES_MAX:
        return f"Invalid number of blocks: data len {len(data)} over max chunk size {_CHUNK_BYTES_MAX}!"
    if offset % disk["block_size"]:
        return "Offset not block aligned"
    if not data:
        return None
    if len(data) % disk["block_size"]:
        return "Data length not block size multiple"
    # Stricter than the service, which takes a chunk that begins before the end and ends after it, and drops the rest.
    if offset + len(data) > disk["size"]:
        return "Offset past end of extent"
    return None


def _wrong_state(disk: DiskRow, message: str) -> ApiError:
    debug_name = "".join(word.capitalize() for word in disk["state"].split("_"))
    return ApiError.invalid_request(message=message.format(debug_name))
