"""Removes the disk and snapshots that an upload made, and nothing else, as their states allow."""

from typing import Final
from uuid import UUID

from oxide._upload.life import FIRST_LOOK, UNKNOWN_FOR, WORKING
from oxide._upload.models import Disk
from oxide._upload.notes import Notes
from oxide._upload.rack import Rack, backoff, is_passing
from oxide._uploading import Leftover
from oxide.exceptions import ApiException, BadRequestException, NotFoundException
from oxide.models._snapshot import Snapshot

# Seconds that cleaning up may take in total.
LIMIT: Final = 50.0

# States in which a disk has no snapshot of this upload.
_BEFORE_SNAPSHOT: Final = frozenset({"creating", "import_ready", "importing_from_bulk_writes"})


class Cleaner:
    """Removes the snapshots and the disk that are in the notes of an upload.

    Args:
        rack: makes the calls.
        notes: what to remove.
        keep_snapshot: why a snapshot has to stay, or None.

    Attributes:
        left: what is still there, once `clean_up` has ended, in whatever way.
    """

    def __init__(self, rack: Rack, notes: Notes, keep_snapshot: str | None = None) -> None:
        self._rack = rack
        self._name = notes.disk_name
        self._description = notes.disk_description
        self._id = None if notes.disk_id is None else UUID(notes.disk_id)
        self._keep_snapshot = keep_snapshot
        # The snapshots that are not known to be gone.
        self._snapshots: dict[str, Snapshot | None] = dict.fromkeys(notes.snapshot_names)
        self._reasons: dict[str, str] = {}
        self._state: str | None = None
        self._gone = self._name is None
        self._failures = 0

    @property
    def left(self) -> list[Leftover]:
        """What is still there."""
        reasons = self._reasons
        left = [
            Leftover(
                "snapshot",
                name,
                None if seen is None else str(seen.id),
                None if seen is None else seen.state,
                reasons.get(name) or reasons.get("", "it was not removed"),
            )
            for name, seen in self._snapshots.items()
            if seen is not None or self._state not in _BEFORE_SNAPSHOT
        ]
        if not self._gone and self._name is not None:
            number = None if self._id is None else str(self._id)
            left.append(
                Leftover("disk", self._name, number, self._state, reasons.get("", "it was not removed"))
            )
        return left

    def clean_up(self) -> None:
        """Remove the snapshots, then the disk, within a minute."""
        rack = self._rack
        rack.deadline = rack.clock() + LIMIT
        try:
            while not self._gone and rack.clock() < rack.deadline and self._step():
                pass
        finally:
            rack.deadline = None

    def _step(self) -> bool:
        """Take one step towards the removal; return False if there is nothing more to do."""
        rack = self._rack
        try:
            disk = self._find()
            if disk is None:
                self._remove_snapshots()
                self._gone = True
                return False
            self._state = disk.state.state
            if self._state in WORKING:
                self._reasons[""] = "the server is still working on it"
                rack.pause(FIRST_LOOK)
            elif self._state == "importing_from_bulk_writes":
                rack.bulk_write_stop(disk.id)
            elif self._state == "import_ready":
                rack.finalize(disk.id, None)
            elif self._state in {"detached", "faulted"}:
                self._remove_snapshots()
                rack.disk_delete(disk.id)
                self._gone = True
            else:
                self._reasons[""] = "it is in use"
                return False
        except NotFoundException:
            # Something is gone; the next step looks again.
            return True
        except ApiException as error:
            self._reasons[""] = str(error)
            if not is_passing(error) and not isinstance(error, BadRequestException):
                return False
            rack.pause(backoff(rack, self._failures, error))
            self._failures += 1
        return True

    def _find(self) -> Disk | None:
        """Return the disk as it is now; None if it is gone, or if it has not appeared for some seconds."""
        rack, since = self._rack, self._rack.clock()
        while True:
            try:
                if self._id is not None:
                    return rack.disk_view(self._id)
                found = rack.disk_find(self._name or "")
            except NotFoundException:
                # Its creation had no response and may still be under way.
                if self._id is not None or rack.clock() - since >= UNKNOWN_FOR:
                    return None
                rack.pause(FIRST_LOOK)
            else:
                if found.description != self._description:
                    return None
                self._id = found.id
                return found

    def _remove_snapshots(self) -> None:
        """Remove the snapshots of the disk; one that may not be removed stays, and the others are still removed."""
        for name in list(self._snapshots):
            if name in self._reasons:
                continue
            try:
                found = self._rack.snapshot_find(name)
                if found.disk_id != self._id:
                    del self._snapshots[name]
                    continue
                self._snapshots[name] = found
                if self._keep_snapshot is not None:
                    self._reasons[name] = self._keep_snapshot
                    continue
                self._rack.snapshot_delete(found.id)
                del self._snapshots[name]
            except NotFoundException:
                del self._snapshots[name]
            except ApiException as error:
                if is_passing(error) or isinstance(error, BadRequestException):
                    raise
                self._reasons[name] = str(error)
