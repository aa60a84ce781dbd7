"""The tables of disks and snapshots, with the states in which a restarted simulator finds them."""

from typing import Final, Literal, TypedDict, cast
from uuid import UUID

from oxide.testing._store.database import Database

DiskState = Literal[
    "creating", "import_ready", "importing_from_bulk_writes", "finalizing", "detached", "faulted", "destroyed"
]
SnapshotState = Literal["creating", "ready"]


class DiskRow(TypedDict):
    """One disk: the columns of its table."""

    id: str
    name: str
    description: str
    time_created: str
    project_id: str
    snapshot_id: str | None
    image_id: str | None
    size: int
    block_size: int
    state: DiskState
    disk_type: str
    read_only: bool
    importing: bool
    volume: int | None
    pantry_lost: bool


class SnapshotRow(TypedDict):
    """One snapshot: the columns of its table."""

    id: str
    name: str
    description: str
    time_created: str
    project_id: str
    disk_id: str
    state: SnapshotState
    size: int
    block_size: int
    volume: int | None


_DISK_COLUMNS: Final = ", ".join(DiskRow.__annotations__)
_SNAPSHOT_COLUMNS: Final = ", ".join(SnapshotRow.__annotations__)


class Disks:
    """The disks of all projects; a disk that is being destroyed is not found, but its size still counts."""

    def __init__(self, database: Database):
        self._database = database

    def add(self, disk: DiskRow) -> None:
        """Add a disk; raise `NameTaken` if its project has one of that name."""
        self._database.insert("disk", [dict(disk)])

    def by_id(self, disk_id: UUID) -> DiskRow | None:
        """Return a disk, wherever it is."""
        return self._one("id = ?", str(disk_id))

    def by_name(self, name: str, project_id: str) -> DiskRow | None:
        """Return the disk of that name in a project."""
        return self._one("name = ? AND project_id = ?", name, project_id)

    def of_project(self, project_id: str) -> list[DiskRow]:
        """Return the disks of a project, by name."""
        query = (
            f"SELECT {_DISK_COLUMNS} FROM disk WHERE project_id = ? AND state != 'destroyed' ORDER BY name"  # noqa: S608 - our own words
        )
        return [cast(DiskRow, dict(row)) for row in self._database.rows(query, project_id)]

    def size(self) -> int:
        """Return the size of all disks together."""
        # Not SQLite's `sum`, whose integers overflow.
        return sum(size for (size,) in self._database.rows("SELECT size FROM disk"))

    def set_state(self, disk_id: str, state: DiskState) -> None:
        """Change the state of a disk."""
        self._database.write("UPDATE disk SET state = ? WHERE id = ?", state, disk_id)

    def lose_pantry(self, disk_id: str) -> None:
        """Make the pantry forget a disk."""
        self._database.write("UPDATE disk SET pantry_lost = 1 WHERE id = ?", disk_id)

    def resurrect(self, disk_id: str) -> None:
        """Bring back a disk whose deletion failed, as the service does: `faulted`, under the name `deleted-<id>`."""
        self._database.write(
            "UPDATE disk SET state = 'faulted', name = 'deleted-' || id WHERE id = ?", disk_id
        )

    def remove(self, disk_id: str) -> None:
        """Forget a disk."""
        self._database.write("DELETE FROM disk WHERE id = ?", disk_id)

    def unfinished(self) -> list[DiskRow]:
        """Return the disks that have work under way."""
        query = f"SELECT {_DISK_COLUMNS} FROM disk WHERE state IN ('creating', 'finalizing', 'destroyed')"  # noqa: S608 - our own words
        return [cast(DiskRow, dict(row)) for row in self._database.rows(query)]

    def _one(self, condition: str, *values: object) -> DiskRow | None:
        row = self._database.row(
            f"SELECT {_DISK_COLUMNS} FROM disk WHERE {condition} AND state != 'destroyed'",  # noqa: S608 - our own words
            *values,
        )
        return None if row is None else cast(DiskRow, dict(row))


class Snapshots:
    """The snapshots of all projects."""

    def __init__(self, database: Database):
        self._database = database

    def add(self, snapshot: SnapshotRow) -> None:
        """Add a snapshot; raise `NameTaken` if its project has one of that name."""
        self._database.insert("snapshot", [dict(snapshot)])

    def by_id(self, snapshot_id: UUID) -> SnapshotRow | None:
        """Return a snapshot, wherever it is."""
        return self._one("id = ?", str(snapshot_id))

    def by_name(self, name: str, project_id: str) -> SnapshotRow | None:
        """Return the snapshot of that name in a project."""
        return self._one("name = ? AND project_id = ?", name, project_id)

    def of_project(self, project_id: str) -> list[SnapshotRow]:
        """Return the snapshots of a project, by name."""
        query = f"SELECT {_SNAPSHOT_COLUMNS} FROM snapshot WHERE project_id = ? ORDER BY name"  # noqa: S608 - our own words
        return [cast(SnapshotRow, dict(row)) for row in self._database.rows(query, project_id)]

    def size(self) -> int:
        """Return the size of all snapshots together."""
        return sum(size for (size,) in self._database.rows("SELECT size FROM snapshot"))

    def finish(self, disk_id: str) -> None:
        """Make a disk's unfinished snapshot `ready`, if there is one."""
        self._database.write(
            "UPDATE snapshot SET state = 'ready' WHERE disk_id = ? AND state = 'creating'", disk_id
        )

    def undo(self, disk_id: str) -> None:
        """Forget a disk's unfinished snapshot, if there is one."""
        self._database.write("DELETE FROM snapshot WHERE disk_id = ? AND state = 'creating'", disk_id)

    def remove(self, snapshot_id: str) -> None:
        """Forget a snapshot."""
        self._database.write("DELETE FROM snapshot WHERE id = ?", snapshot_id)

    def _one(self, condition: str, *values: object) -> SnapshotRow | None:
        row = self._database.row(f"SELECT {_SNAPSHOT_COLUMNS} FROM snapshot WHERE {condition}", *values)  # noqa: S608 - our own words
        return None if row is None else cast(SnapshotRow, dict(row))
