"""Runs an upload from beginning to end: takes the steps in order, and handles the failure of any of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from oxide._upload.arguments import Arguments
from oxide._upload.cleaning import Cleaner
from oxide._upload.content import GIB, Content
from oxide._upload.ending import end_early, removed, tell
from oxide._upload.journal import Journal
from oxide._upload.life import UNKNOWN_FOR, Life
from oxide._upload.models import Disk
from oxide._upload.notes import Notes
from oxide._upload.progress import Meter
from oxide._upload.rack import Rack
from oxide._upload.sending import LostVolume, Sender
from oxide._upload.source import Source
from oxide._upload.stop import Stop
from oxide._uploading import Leftover
from oxide._warnings import warn
from oxide.exceptions import ApiException, NotFoundException
from oxide.models._snapshot import Snapshot
from oxide.models.image import Image
from oxide.models.image_source import ImageSource


class Found(NamedTuple):
    """What a check found: the file's format, decoded size and digest, the block size, and whether the image exists."""

    format: str
    size: int
    block_size: int
    sha256: str | None
    exists: bool


class Upload:
    """One upload.

    Args:
        rack: makes the calls.
        source: the file.
        notes: what was requested and made; a `Journal` remembers it.
        arguments: what to make of the file.
        meter: counts and reports.
    """

    def __init__(self, rack: Rack, source: Source, notes: Notes, arguments: Arguments, meter: Meter) -> None:
        self._rack = rack
        self._source = source
        self._notes = notes
        self._arguments = arguments
        self._meter = meter
        self._owns_notes = not notes.resumed
        self._content: Content | None = None
        self._disk: Disk | None = None
        self._snapshot: Snapshot | None = None

    def run(self) -> Image:
        """Find or make the image, and return it."""
        with self._concluded():
            image = self._found_or_made()
        self._remove_what_was_needed()
        self._meter.enter("done")
        return image

    def look(self) -> Found:
        """Check only, and return what was found."""
        with self._concluded():
            content, image = self._check()
            digest = content.compute_digest() if self._source.rereadable else content.digest
            self._warn(content)
        return Found(content.format, content.size, content.block_size, digest, image is not None)

    def compared(self, image: Image) -> Image:
        """Return the image if it is the one to make; raise `ObjectAlreadyExists` if it differs."""
        with self._concluded():
            return self._agreeing(image)

    @contextmanager
    def _concluded(self) -> Iterator[None]:
        """Clean up, or keep what the journal needs, if the block fails."""
        try:
            yield
        except BaseException as error:
            notes = self._notes if self._owns_notes else None
            end_early(error, self._rack, notes, self._meter, self._disk, self._snapshot)
            raise

    def _check(self) -> tuple[Content, Image | None]:
        """Examine the file and look for an image of that name; return both, and write nothing.

        Raises:
            ObjectAlreadyExists: the image of that name differs.
            Stop: the file is damaged, or the silo's quota is too small.
        """
        content = self._examined()
        try:
            image = self._rack.image_find(self._arguments.image.name)
        except NotFoundException as error:
            if (error.message or "").startswith("not found: project with "):
                raise
            self._check_quota(content)
            return content, None
        return content, self._agreeing(image)

    def _agreeing(self, image: Image) -> Image:
        content = self._examined()
        return self._arguments.agreeing(image, _disk_size(content), content.block_size)

    def _examined(self) -> Content:
        """Return the content, which is examined once."""
        if self._content is None:
            self._meter.enter("check")
            arguments = self._arguments
            self._content = content = Content(
                self._source,
                block_size=arguments.block_size,
                sha256=arguments.sha256,
                size=arguments.size,
                tick=self._count_decoded,
            )
            self._meter.done, self._meter.total = 0, content.size
            self._agree(content)
        return self._content

    def _found_or_made(self) -> Image:
        content, found = self._check()
        if found is not None:
            self._meter.done = content.size
            return found
        self._warn(content)
        life = Life(
            self._rack,
            self._notes,
            self._arguments.image.name,
            _disk_size(content),
            content.block_size,
            self._meter.tick,
        )
        if self._notes.disk_name is not None:
            self._resume(life)
        resumes = self._disk is not None
        try:
            if self._snapshot is None:
                self._fill_disk(life, content)
        except LostVolume:
            if not resumes or not self._source.rereadable:
                raise
            self._start_over()
            self._fill_disk(life, content)
        self._meter.done = content.size
        return self._make_image(life)

    def _agree(self, content: Content) -> None:
        """Compare the content with the journal; only then does the journal belong to this upload."""
        notes = self._notes
        if isinstance(notes, Journal):
            source = self._source
            notes.agree(
                content_size=content.size,
                disk_block_size=content.block_size,
                modified=source.modified,
                digest=content.digest,
            )
            self._owns_notes = True

    def _check_quota(self, content: Content) -> None:
        """Raise `Stop` if the quota is too small: disk and snapshot count for a moment, the image does not."""
        if self._notes.disk_name is not None:
            return
        try:
            silo = self._rack.utilization()
        except ApiException:
            # A quota that cannot be seen is no reason to stop.
            return
        needed, free = 2 * _disk_size(content), silo.capacity.storage - silo.provisioned.storage
        if needed > free:
            message = (
                f"the upload needs {needed // GIB} GiB of the silo's storage for its disk and snapshot, and "
                f"{max(0, free) / GIB:.1f} GiB of its quota are free"
            )
            raise Stop(message, hopeless=True)

    def _resume(self, life: Life) -> None:
        """Find out how far an earlier call has got, and remove what cannot be used."""
        disk = life.find_disk(UNKNOWN_FOR)
        if disk is not None:
            self._notes.made_disk(str(disk.id))
            disk = life.settled_disk(disk)
        state = None if disk is None else disk.state.state
        if disk is not None and state in {"import_ready", "importing_from_bulk_writes"}:
            self._disk = disk
            return
        if disk is not None and state == "detached":
            self._snapshot = life.find_snapshot(disk)
        if self._snapshot is None:
            self._start_over()

    def _start_over(self) -> None:
        """Remove what was made so far."""
        cleaner = Cleaner(self._rack, self._notes)
        cleaner.clean_up()
        if cleaner.left:
            message = "the upload has to start over, but what it made cannot be removed"
            raise Stop(message, hopeless=True)
        self._notes.start_over()
        self._disk = None
        self._meter.done = self._meter.skipped = 0

    def _fill_disk(self, life: Life, content: Content) -> None:
        """Create the disk if necessary, send the content, and take the snapshot."""
        if self._disk is None:
            self._meter.enter("create disk")
            self._disk = life.create_disk()
        disk = self._disk
        self._meter.enter("upload")
        life.start(disk.id)
        sender = Sender(
            self._rack,
            self._notes,
            disk.id,
            workers=self._arguments.workers,
            meter=self._meter,
            forgiving=life.was_adopted,
        )
        sender.run(content.pieces())
        self._meter.enter("finalize")
        life.stop(disk.id)
        self._snapshot = life.finalize(disk)
        if self._snapshot.size != disk.size:
            message = f"the snapshot has {self._snapshot.size} bytes and its disk {disk.size}"
            raise Stop(message, hopeless=True)

    def _make_image(self, life: Life) -> Image:
        assert self._snapshot is not None  # noqa: S101 - the steps before have made it
        self._meter.enter("create image")
        source = ImageSource(type="snapshot", id=self._snapshot.id)
        wanted = self._arguments.image.model_copy(update={"source": source})
        return self._agreeing(life.create_image(wanted))

    def _remove_what_was_needed(self) -> None:
        """Remove disk, snapshot and journal; the image exists by now, so a failure is only a warning."""
        notes = self._notes
        interruption: BaseException | None = None
        left: list[Leftover] = []
        if notes.disk_name is not None:
            try:
                self._meter.enter("clean up")
            except BaseException as error:  # noqa: BLE001 - raised below, once this is done
                interruption = error
            left = removed(
                Cleaner(self._rack, notes), interrupted=isinstance(interruption, KeyboardInterrupt)
            )
        if isinstance(notes, Journal):
            notes.delete()
        if interruption is not None:
            tell(interruption, left, None)
            try:
                raise interruption
            finally:
                # The exception refers to this frame, so the frame must not refer to the exception.
                del interruption
        if left:
            warn(f"the image is made, but something is still on the rack: {', '.join(map(str, left))}")

    def _warn(self, content: Content) -> None:
        if content.warning is not None:
            warn(f"{self._source.name}: {content.warning}")

    def _count_decoded(self, done: int) -> None:
        self._meter.done = done
        self._meter.tick()


def _disk_size(content: Content) -> int:
    return -(-content.size // GIB) * GIB
