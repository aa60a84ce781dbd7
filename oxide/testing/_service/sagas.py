"""Work that takes long on a rack, and is finished even if the service ends meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass

from oxide.testing._store import DiskRow, Store


@dataclass(frozen=True)
class Saga:
    """Work that takes long on a rack: its first step is done, and it will be finished or undone."""

    finish: Callable[[], object]
    undo: Callable[[], None]


def finish_disk(store: Store, disk: DiskRow) -> None:
    """Finish what the service is at work on, going by the state of a disk; as often as it is asked to."""
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
    """Finish what a service that has ended was at work on."""
    for disk in store.disks.unfinished():
        finish_disk(store, disk)
