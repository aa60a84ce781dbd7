"""Shows and deletes snapshots; finalizing a disk takes them."""

from typing import Any
from uuid import UUID

from oxide.testing._errors import ApiError
from oxide.testing._roles import Actor, Rank
from oxide.testing._service.access import allow, authenticated, readable, visible_project
from oxide.testing._store import SnapshotRow, Store


def snapshot_view(
    store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None
) -> dict[str, Any]:
    """Return a snapshot."""
    snapshot = _snapshot(store, actor, selector, project)
    return {
        "id": snapshot["id"],
        "name": snapshot["name"],
        "description": snapshot["description"],
        "time_created": snapshot["time_created"],
        "time_modified": snapshot["time_created"],
        "project_id": snapshot["project_id"],
        "disk_id": snapshot["disk_id"],
        "state": snapshot["state"],
        "size": snapshot["size"],
    }


def snapshot_delete(
    store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None
) -> None:
    """Delete a snapshot for good; images made from it keep their bytes."""
    actor = authenticated(actor)
    snapshot = _snapshot(store, actor, selector, project)
    allow(actor.project(snapshot["project_id"]) >= Rank.LIMITED_COLLABORATOR)
    if snapshot["state"] == "creating":
        raise ApiError.invalid_request(message="snapshot cannot be deleted in state Creating")
    store.snapshots.remove(snapshot["id"])
    store.volumes.release(snapshot["volume"])


def _snapshot(
    store: Store, actor: Actor | None, selector: str | UUID, project: str | UUID | None
) -> SnapshotRow:
    """Return a snapshot that the caller may read; `project` is where a name is looked up."""
    if isinstance(selector, UUID):
        if project is not None:
            raise ApiError.invalid_request(
                message="when providing snapshot as an ID, project should not be specified"
            )
        snapshot, actor = store.snapshots.by_id(selector), authenticated(actor)
        rank = Rank.NONE if snapshot is None else actor.project(snapshot["project_id"])
        return readable(snapshot, rank, "snapshot", selector)
    if project is None:
        raise ApiError.invalid_request(
            message="snapshot should either be an ID or project should be specified"
        )
    project_id = visible_project(store, authenticated(actor), project)
    return readable(store.snapshots.by_name(selector, project_id), Rank.VIEWER, "snapshot", selector)
