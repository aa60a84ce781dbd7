"""Takes disk, snapshot and image through their states.

When the response to a request is lost, it looks at the rack to find out what the request did.
"""

from collections.abc import Callable
from typing import Final, TypeVar
from uuid import UUID

from oxide._upload.models import Disk
from oxide._upload.notes import Notes
from oxide._upload.rack import Rack, backoff, is_passing
from oxide._upload.stop import Stop
from oxide.exceptions import (
    ApiException,
    BadRequestException,
    ConflictException,
    NotFoundException,
    ObjectAlreadyExists,
)
from oxide.models._snapshot import Snapshot
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate

T = TypeVar("T")

# Seconds for which a step is retried; a rack's hand-over to newer software lasts less than a minute.
PATIENCE: Final = 120.0
LEAST_RETRIES: Final = 2
# Seconds for which a name has to be unknown before the request to create it counts as not carried out.
UNKNOWN_FOR: Final = 10.0
# Seconds to wait while the server works on a disk.
WORKING_FOR: Final = 3600.0
# Seconds between two looks: the first one, and the longest.
FIRST_LOOK: Final = 0.5
LAST_LOOK: Final = 10.0

WORKING: Final = frozenset({"creating", "finalizing", "maintenance"})


class Life:
    """Makes the disk, snapshot and image of one upload.

    Args:
        rack: makes the calls.
        notes: what was requested and made.
        image: the name of the image to make.
        size: the disk's size in bytes.
        block_size: its block size in bytes.
        tick: called after every pause.

    Attributes:
        was_adopted: whether the disk was found after its creation had no response; it may take chunks only later then.
    """

    def __init__(
        self, rack: Rack, notes: Notes, image: str, size: int, block_size: int, tick: Callable[[], None]
    ) -> None:
        self._rack = rack
        self._notes = notes
        self._image = image
        self._size = size
        self._block_size = block_size
        self._tick = tick
        self.was_adopted = False

    def create_disk(self) -> Disk:
        """Create the disk; retry only if its name stays unknown."""
        notes, rack = self._notes, self._rack
        notes.begin_disk(self._image)
        assert notes.disk_name is not None  # noqa: S101 - just chosen
        name, description = notes.disk_name, notes.disk_description

        unclear = False

        def create() -> Disk:
            return rack.disk_create(name, description, self._size, self._block_size)

        def look(error: ApiException) -> Disk | None:
            nonlocal unclear
            unclear = unclear or error.may_have_acted
            found = self.find_disk(UNKNOWN_FOR if error.may_have_acted else 0.0)
            self.was_adopted = found is not None
            return found

        try:
            disk = self._persist(create, look, also=(ObjectAlreadyExists,))
        except ApiException:
            if not unclear:
                notes.start_over()
            raise
        notes.made_disk(str(disk.id))
        return disk

    def find_disk(self, unknown_for: float = 0.0) -> Disk | None:
        """Return the disk as it is now, if it exists; None once it has been unknown for so many seconds."""
        notes, rack = self._notes, self._rack
        since: float | None = None
        give_up = rack.clock() + PATIENCE
        while True:
            try:
                if notes.disk_id is not None:
                    return rack.disk_view(UUID(notes.disk_id))
                assert notes.disk_name is not None  # noqa: S101 - only asked for with a name
                found = rack.disk_find(notes.disk_name)
            except NotFoundException:
                since = rack.clock() if since is None else since
                if rack.clock() - since >= unknown_for:
                    return None
            except ApiException as error:
                if not is_passing(error) or rack.clock() >= give_up:
                    raise
            else:
                # Random names hardly ever collide, but somebody else's disk must never be touched.
                return found if found.description == notes.disk_description else None
            rack.pause(FIRST_LOOK)
            self._tick()

    def settled_disk(self, disk: Disk) -> Disk | None:
        """Return the disk once the server no longer works on it; None if it is gone by then."""
        give_up = self._rack.clock() + WORKING_FOR
        delay, now = FIRST_LOOK, None if disk.state.state in WORKING else disk
        while now is None or now.state.state in WORKING:
            if self._rack.clock() >= give_up:
                message = f"the disk has been in the state {disk.state.state} for an hour"
                raise Stop(message)
            self._rack.pause(delay)
            self._tick()
            delay = min(2 * delay, LAST_LOOK)
            now = self.find_disk()
            if now is None:
                return None
        return now

    def start(self, disk: UUID) -> None:
        """Let the disk take chunks."""
        self._move(disk, self._rack.bulk_write_start, "importing_from_bulk_writes")

    def stop(self, disk: UUID) -> None:
        """Let the disk take no more chunks."""
        self._move(disk, self._rack.bulk_write_stop, "import_ready")

    def finalize(self, disk: Disk) -> Snapshot:
        """Finalize the disk and return its snapshot; retry only if the disk is still ready for it."""
        rack, notes = self._rack, self._notes
        snapshot = notes.begin_snapshot()

        def finalize() -> Disk:
            rack.finalize(disk.id, snapshot)
            return disk

        def look(error: ApiException) -> Disk | None:
            nonlocal snapshot
            now = self._existing(disk)
            if error.may_have_acted and now.state.state == "import_ready":
                # It may not have begun yet.
                rack.pause(FIRST_LOOK)
                now = self._existing(disk)
            settled = self.settled_disk(now)
            if settled is not None and settled.state.state == "detached":
                return settled
            if isinstance(error, ObjectAlreadyExists):
                snapshot = notes.begin_snapshot()
            elif isinstance(error, BadRequestException):
                raise error
            return None

        self._persist(finalize, look, also=(BadRequestException, ConflictException))
        found = self.find_snapshot(disk)
        if found is None:
            message = "the disk was finalized, but without the requested snapshot"
            raise Stop(message, hopeless=True)
        return found

    def find_snapshot(self, disk: Disk) -> Snapshot | None:
        """Return the snapshot of the disk once it is ready; None if there is none."""
        for name in reversed(self._notes.snapshot_names):
            give_up, delay = self._rack.clock() + WORKING_FOR, FIRST_LOOK
            while True:
                found = self._look_for_snapshot(name)
                if found is None or found.disk_id != disk.id or found.state == "faulted":
                    break
                if found.state == "ready":
                    return found
                if self._rack.clock() >= give_up:
                    message = f"the snapshot has been in the state {found.state} for an hour"
                    raise Stop(message)
                self._rack.pause(delay)
                self._tick()
                delay = min(2 * delay, LAST_LOOK)
        return None

    def create_image(self, wanted: ImageCreate) -> Image:
        """Create the image, or return the existing one if it agrees."""
        return self._persist(lambda: self._rack.image_ensure(wanted))

    def _look_for_snapshot(self, name: str) -> Snapshot | None:
        def look() -> list[Snapshot]:
            try:
                return [self._rack.snapshot_find(name)]
            except NotFoundException:
                return []

        return next(iter(self._persist(look)), None)

    def _existing(self, disk: Disk) -> Disk:
        found = self.find_disk()
        if found is None:
            message = f"the disk {disk.name} was deleted by somebody else"
            raise Stop(message, hopeless=True)
        return found

    def _move(self, disk: UUID, act: Callable[[UUID], None], goal: str) -> None:
        """Move the disk to the state `goal`, which the server refuses if it is there already."""

        def look(error: ApiException) -> bool | None:
            now = self.find_disk()
            if now is not None and now.state.state in WORKING:
                now = self.settled_disk(now)
                return None
            if now is not None and now.state.state == goal:
                return True
            if isinstance(error, BadRequestException):
                raise error
            return None

        def move() -> bool:
            act(disk)
            return True

        self._persist(move, look, also=(BadRequestException,))

    def _persist(
        self,
        act: Callable[[], T],
        look: Callable[[ApiException], T | None] = lambda _: None,
        also: tuple[type[ApiException], ...] = (),
    ) -> T:
        """Return what `act` returns, or what `look` finds after a failure; retry while the failure may pass.

        `also` are refusals after which `look` is called too, since an earlier attempt may have caused them.
        """
        give_up, failures = self._rack.clock() + PATIENCE, 0
        while True:
            try:
                return act()
            except ApiException as error:
                if not is_passing(error) and not isinstance(error, also):
                    raise
                if (found := look(error)) is not None:
                    return found
                delay = backoff(self._rack, failures, error)
                # One attempt may take longer than the time for all of them.
                if failures >= LEAST_RETRIES and self._rack.clock() + delay >= give_up:
                    raise
            self._rack.pause(delay)
            self._tick()
            failures += 1
