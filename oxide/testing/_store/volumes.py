"""The bytes of disks, snapshots and images, in extents of one size; an extent of zeros is not stored.

A disk, its snapshots and their images share one volume: once a snapshot is taken, nothing writes to its disk any more.
"""

from typing import Final

from oxide.testing._store.database import Database

EXTENT_BYTES: Final = 512 * 1024
# One number holds an extent's volume and its place in that volume. This many bits are enough for 1 TiB, which is more
# than a disk may have.
_PLACE_BITS: Final = 21


class Volumes:
    """All volumes, by number."""

    def __init__(self, database: Database):
        self._database = database

    def create(self) -> int:
        """Create a volume of zeros, of any size, and return its number."""
        return self._database.write("INSERT INTO volume DEFAULT VALUES")

    def write(self, volume: int, offset: int, data: bytes) -> None:
        """Replace the bytes from `offset` on."""
        start = 0
        while start < len(data):
            place, skipped = divmod(offset + start, EXTENT_BYTES)
            piece = data[start : start + EXTENT_BYTES - skipped]
            start += len(piece)
            position = (volume << _PLACE_BITS) + place
            if len(piece) < EXTENT_BYTES:
                before = self._extent(position)
                piece = before[:skipped].ljust(skipped, b"\0") + piece + before[skipped + len(piece) :]
            self._put(position, piece)

    def read(self, volume: int | None, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on; a volume that is None has zeros alone."""
        if volume is None or size == 0:
            return bytes(size)
        base = volume << _PLACE_BITS
        first, last = offset // EXTENT_BYTES, (offset + size - 1) // EXTENT_BYTES
        pieces, end = [], offset
        for position, data in self._database.rows(
            "SELECT position, data FROM extent WHERE position BETWEEN ? AND ? ORDER BY position",
            base + first,
            base + last,
        ):
            start = (position - base) * EXTENT_BYTES
            piece = data[max(0, offset - start) : offset + size - start]
            if piece:
                start = max(start, offset)
                pieces += [bytes(start - end), piece]
                end = start + len(piece)
        return b"".join([*pieces, bytes(offset + size - end)])

    def release(self, volume: int | None) -> None:
        """Forget the bytes of a volume that no disk, snapshot or image needs any more."""
        if volume is None or any(
            self._database.row(f"SELECT 1 FROM {table} WHERE volume = ?", volume)  # noqa: S608 - our own words
            for table in ("disk", "snapshot", "image")
        ):
            return
        base = volume << _PLACE_BITS
        self._database.write(
            "DELETE FROM extent WHERE position BETWEEN ? AND ?", base, base + (1 << _PLACE_BITS) - 1
        )
        self._database.write("DELETE FROM volume WHERE id = ?", volume)

    def _extent(self, position: int) -> bytes:
        row = self._database.row("SELECT data FROM extent WHERE position = ?", position)
        return b"" if row is None else bytes(row[0])

    def _put(self, position: int, data: bytes) -> None:
        data = data.rstrip(b"\0")
        if data:
            self._database.write("INSERT OR REPLACE INTO extent VALUES (?, ?)", position, data)
        else:
            self._database.write("DELETE FROM extent WHERE position = ?", position)
