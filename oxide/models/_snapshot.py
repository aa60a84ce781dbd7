"""The `Snapshot` of a disk, as far as an upload needs it."""

from uuid import UUID

from oxide.models._model import ResponseModel
from oxide.models._open_enum import OpenEnum


class SnapshotState(str, OpenEnum):
    """How far a snapshot is; a state unknown to this version is kept (`is_unknown`)."""

    CREATING = "creating"
    READY = "ready"
    FAULTED = "faulted"
    DESTROYED = "destroyed"


class Snapshot(ResponseModel):
    """A snapshot: the contents of a disk at one moment, from which an image is made.

    Attributes:
        disk_id: the disk it was made of.
        id: its ID, which never changes.
        name: unique among the snapshots of its project.
        project_id: the project it belongs to.
        size: its size, in bytes.
        state: whether an image can be made from it yet.
    """

    disk_id: UUID
    id: UUID
    name: str
    project_id: UUID
    size: int
    state: SnapshotState
