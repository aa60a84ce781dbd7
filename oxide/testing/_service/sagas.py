"""Sagas: work that takes long on a rack, and is finished even if the service ends meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass

from oxide.testing._store import DiskRow, Store


@dataclass(frozen=True)
class Saga:
    """Work that takes long on a rack: its first step is done, and it will be finished or undone."""

    finish: Callable[[], object]
    undo: Callable[[], None]


def finish_disk(store: Store, disk: DiskRow) -> None:
    """Finish the work that the state of a disk says is under way; calling this again does no harm."""
    match disk["state"]:
        case "creating":
            store.disks.set_state(disk["id"], "import_ready" if disk["importing"] else "detached")
        case "finalizing":
            store.snapshots.finish(disk["id"])
            store.disks.set_state(disk["id"], "detached")
        case "destroyed":
            store.disks.remove(disk["id"])
            store.volumes.release(disk["volume"])


def resume(store: Store) -> None:
    """Finish the work that was under way when the service ended."""
    for disk in store.disks.unfinished():
        finish_disk(store, disk)
