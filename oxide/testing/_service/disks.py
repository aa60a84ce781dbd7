"""Creates, shows and deletes disks."""

from typing import Any, Final
from uuid import UUID, uuid4

from oxide.testing._api_version import ApiVersion
from oxide.testing._bodies import NewDisk
from oxide.testing._errors import ApiError
from oxide.testing._roles import Actor, Rank
from oxide.testing._service.access import allow, authenticated, readable, visible_project
from oxide.testing._service.capacity import check_quota, check_space
from oxide.testing._service.sagas import Saga, finish_disk
from oxide.testing._store import DiskRow, NameTaken, Store

_GIB: Final = 2**30
_DISK_BYTES_MAX: Final = 1023 * _GIB
_HAS_BACKEND: Final = ApiVersion((2025120300, 0, 0))
_HAS_READ_ONLY: Final = ApiVersion((2026013001, 0, 0))


def has_backend(version: ApiVersion) -> bool:
    """Return whether a disk's source is within `disk_backend` in this version of the API."""
    return not version < _HAS_BACKEND


def disk_create(
    store: Store, actor: Actor | None, project: str | UUID, new: NewDisk, now: str, version: ApiVersion
) -> Saga:
    """Begin to create a disk; as on a rack, the response says `creating` even once the disk is ready."""
    actor = authenticated(actor)
    project_id = visible_project(store, actor, project)
    allow(actor.project(project_id) >= Rank.LIMITED_COLLABORATOR)
    disk = _new_disk(store, actor, project_id, new, now)
    check_quota(store, new.size)
    try:
        store.disks.add(disk)
    except NameTaken:
        raise ApiError.already_exists(kind="disk", name=new.name) from None
    check_space(store)

    def finish() -> dict[str, Any]:
        finish_disk(store, disk)
        return _document(disk, version)

    return Saga(finish, lambda: store.disks.remove(disk["id"]))


def disk_view(
    store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None, version: ApiVersion
) -> dict[str, Any]:
    """Return a disk."""
    return _document(_disk(store, actor, selector, project), version)


def disk_delete(store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None) -> Saga:
    """Begin to delete a disk; from now on nobody finds it."""
    disk = changeable_disk(store, authenticated(actor), selector, project, importing=False)
    if disk["state"] not in {"detached", "faulted"}:
        raise ApiError.invalid_request(message=f'disk cannot be deleted in state "{disk["state"]}"')
    store.disks.set_state(disk["id"], "destroyed")
    return Saga(
        lambda: finish_disk(store, {**disk, "state": "destroyed"}),
        lambda: store.disks.resurrect(disk["id"]),
    )


def _new_disk(store: Store, actor: Actor, project_id: str, new: NewDisk, now: str) -> DiskRow:
    """Return the disk that the request asks for, or raise the error for its size."""
    block_size, volume = new.block_size, None
    copied: dict[str, str | None] = {"snapshot": None, "image": None}
    if new.copied is not None:
        block_size, least, volume = _copied(store, actor, new.source, new.copied)
        copied[new.source] = str(new.copied)
        if new.size < least:
            raise ApiError.invalid_request(
                message=f"disk size {new.size} must be greater than or equal to {new.source} size {least}"
            )
    if new.size % (block_size or 1):
        raise ApiError.invalid_value(
            label="size and block_size", problem=f"total size must be a multiple of block size {block_size}"
        )
    if new.size < _GIB:
        raise ApiError.invalid_value(label="size", problem="total size must be at least 1 GiB")
    if new.size % _GIB:
        raise ApiError.invalid_value(label="size", problem="total size must be a multiple of 1 GiB")
    if new.size > _DISK_BYTES_MAX:
        raise ApiError.invalid_value(label="size", problem="total size must be less than 1023 GiB")
    return {
        "id": str(uuid4()),
        "name": new.name,
        "description": new.description,
        "time_created": now,
        "project_id": project_id,
        "snapshot_id": copied["snapshot"],
        "image_id": copied["image"],
        "size": new.size,
        "block_size": block_size or 0,
        "state": "creating",
        "disk_type": "local" if new.source == "local" else "distributed",
        "read_only": new.read_only,
        "importing": new.source == "importing_blocks",
        "volume": store.volumes.create() if new.source == "importing_blocks" else volume,
        "pantry_lost": False,
    }


def _copied(store: Store, actor: Actor, kind: str, source: UUID) -> tuple[int, int, int | None]:
    """Return block size, size and volume of the snapshot or image that a disk copies."""
    if kind == "snapshot":
        snapshot = store.snapshots.by_id(source)
        rank = Rank.NONE if snapshot is None else actor.project(snapshot["project_id"])
        snapshot = readable(snapshot, rank, kind, source)
        return snapshot["block_size"], snapshot["size"], snapshot["volume"]
    image = readable(store.images.by_id(source), actor.silo, kind, source)
    return image["block_size"], image["size"], store.images.volume(image["id"])


def _disk(store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None) -> DiskRow:
    """Return a disk that the caller may read; `project` is where a name is looked up."""
    if isinstance(selector, UUID):
        if project is not None:
            raise ApiError.invalid_request(
                message="when providing disk as an ID project should not be specified"
            )
        disk, actor = store.disks.by_id(selector), authenticated(actor)
        rank = Rank.NONE if disk is None else actor.project(disk["project_id"])
        return readable(disk, rank, "disk", selector)
    if project is None:
        raise ApiError.invalid_request(message="disk should either be UUID or project should be specified")
    actor = authenticated(actor)
    project_id = visible_project(store, actor, project)
    return readable(store.disks.by_name(selector, project_id), Rank.VIEWER, "disk", selector)


def changeable_disk(
    store: Store,
    actor: Actor | None,
    selector: str | UUID,
    project: str | UUID | None,
    *,
    importing: bool = True,
) -> DiskRow:
    """Return a disk that the caller may change; a disk for importing must not be local."""
    disk = _disk(store, actor, selector, project)
    allow(authenticated(actor).project(disk["project_id"]) >= Rank.LIMITED_COLLABORATOR)
    if importing and disk["disk_type"] == "local":
        raise ApiError.internal()
    return disk


def _document(disk: DiskRow, version: ApiVersion) -> dict[str, Any]:
    """Return a disk as this version of the API writes it."""
    disk_type = disk["disk_type"]
    if not has_backend(version):
        if disk_type == "local":
            raise ApiError.not_acceptable(message="disk type variant not supported for client version")
        disk_type = "crucible"
    document = {
        "id": disk["id"],
        "name": disk["name"],
        "description": disk["description"],
        "time_created": disk["time_created"],
        # A change of state is not a change of the disk.
        "time_modified": disk["time_created"],
        "project_id": disk["project_id"],
        "snapshot_id": disk["snapshot_id"],
        "image_id": disk["image_id"],
        "size": disk["size"],
        "block_size": disk["block_size"],
        "state": {"state": disk["state"]},
        "device_path": f"/mnt/{disk['name']}",
        "disk_type": disk_type,
    }
    return document if version < _HAS_READ_ONLY else {**document, "read_only": bool(disk["read_only"])}
