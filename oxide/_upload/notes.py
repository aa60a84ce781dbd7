"""Notes what an upload requested and made; it may use and remove nothing else."""

import secrets
import string
from collections.abc import Mapping
from typing import Any


class Notes:
    """The notes of an upload without a journal: they end with the call, and keep no chunks.

    Attributes:
        resumed: whether an earlier call began this upload.
        disk_name: the name of the requested disk, or None.
        disk_description: its description, which distinguishes it from somebody else's disk.
        disk_id: its ID, once that is known.
        snapshot_names: the names of the requested snapshots.
    """

    def __init__(self) -> None:
        self.resumed = False
        self.disk_name: str | None = None
        self.disk_description = ""
        self.disk_id: str | None = None
        self.snapshot_names: list[str] = []

    def begin_disk(self, image: str) -> None:
        """Choose the disk's name and description, and note that it is about to be requested."""
        letters = _letters(12)
        description = f"Being filled by oxide-python to become the image {image} ({_letters(20)})"
        self._note({"disk": f"upload-{letters}", "description": description})

    def made_disk(self, disk_id: str) -> None:
        """Note the ID of the disk."""
        self._note({"disk_id": disk_id})

    def begin_snapshot(self) -> str:
        """Choose a name for the snapshot, note that it is about to be requested, and return it."""
        name = f"upload-{_letters(12)}"
        self._note({"snapshot": name})
        return name

    def start_over(self) -> None:
        """Note that nothing is left of what was made so far."""
        self._note({"anew": True})

    def will_send(self, offset: int, data: bytes) -> None:
        """Note that the disk may hold these bytes from now on."""

    def arrived(self, offset: int) -> None:
        """Note that the server has acknowledged what was sent last for this offset."""

    def holds(self, offset: int, data: bytes | None) -> bool:  # noqa: ARG002 - as `Journal` has it
        """Return whether the disk is known to hold these bytes, None for zeros, at this offset."""
        return data is None

    def sent_within(self, offset: int, length: int) -> list[int]:  # noqa: ARG002 - as `Journal` has it
        """Return the offsets in a range for which something was ever sent."""
        return []

    def close(self) -> None:
        """Close the file of the notes, if there is one."""

    def _note(self, record: Mapping[str, Any]) -> None:
        """Keep a record."""
        self._take(record)

    def _take(self, record: Mapping[str, Any]) -> bool:
        """Act on a record; return whether it discards all earlier records."""
        if anew := "anew" in record:
            self.disk_name, self.disk_id, self.snapshot_names = None, None, []
        if "disk" in record:
            self.disk_name, self.disk_description = record["disk"], record["description"]
        self.disk_id = record.get("disk_id", self.disk_id)
        if "snapshot" in record:
            self.snapshot_names.append(record["snapshot"])
        return anew


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(count))
