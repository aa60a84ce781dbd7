"""Sends the chunks from several threads, with backoff, and with fewer requests at a time while the server struggles."""

import binascii
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from oxide._upload.content import CHUNK, Piece
from oxide._upload.journal import Journal
from oxide._upload.notes import Notes
from oxide._upload.progress import INTERVAL, Meter
from oxide._upload.rack import Rack, backoff, is_lost_volume, is_passing
from oxide._upload.stop import Stop
from oxide.exceptions import ApiException, ForbiddenException

# Seconds without a single acknowledged chunk that end an upload.
SILENCE: Final = 300.0
# Seconds for which a disk may say that it is not ready for chunks, if its creation had no response.
ATTACHING_FOR: Final = 60.0
# Seconds to wait for requests under way when an upload ends early.
GRACE: Final = 5.0

_ENCODED: Final = 3 * 2**14  # bytes to encode at a time; of three, base64 makes four
_QUEUED: Final = 4  # chunks read ahead
_STEADY: Final = 4  # successes, at least, after which one more request may be sent at a time
_SLICE: Final = 0.25  # seconds of a pause between two checks for the end of the upload


class LostVolume(Stop):
    """The service that writes the chunks has lost the disk and everything that was sent to it."""


class Sender:
    """Sends the pieces of one content to one disk.

    Args:
        rack: makes the calls.
        notes: what the disk holds already.
        disk: the disk.
        workers: how many requests there may be at a time.
        meter: counts and reports, from the thread that calls `run`.
        forgiving: whether the disk may need some seconds before it takes chunks.
    """

    def __init__(
        self, rack: Rack, notes: Notes, disk: UUID, *, workers: int, meter: Meter, forgiving: bool
    ) -> None:
        self._rack = rack
        self._notes = notes
        self._disk = disk
        self._meter = meter
        self._workers = workers
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # there is something to do, or nothing ever will be
        self._room = threading.Condition(self._lock)  # another request may be sent, or none ever will be
        self._news = threading.Condition(self._lock)  # something was done, or failed
        self._queue: deque[Piece] = deque()
        self._unacknowledged = 0
        self._acknowledged = 0
        self._bytes = 0
        self._retries = 0
        # How many requests there may be at a time now. Chunks under way when a process is killed have to be sent again,
        # so with a journal there are never more of them than about a quarter of those that have arrived.
        self._allowed = 1 if isinstance(notes, Journal) else workers
        self._active = 0
        self._successes = 0  # since `_allowed` was changed
        self._epoch = 0  # how often `_allowed` was lowered
        self._failure: BaseException | None = None
        self._trouble: ApiException | None = None
        self._ending = False
        self._forgive_until = rack.clock() + ATTACHING_FOR if forgiving else None
        self._heard = rack.clock()

    def run(self, pieces: Iterable[Piece]) -> None:
        """Send what the disk does not hold yet, and return when all of it has been acknowledged.

        Raises:
            LostVolume: everything has to be sent again, to another disk.
            Stop: a chunk cannot be sent.
        """
        threads = [
            threading.Thread(target=self._serve, name=f"oxide-upload-{number}", daemon=True)
            for number in range(self._workers)
        ]
        sent = 0
        try:
            for thread in threads:
                thread.start()
            for piece in pieces:
                sent += self._take(piece)
                self._wait(lambda: True)
                self._tick()
            self._wait(lambda: not self._unacknowledged)
            self._tick()
        finally:
            with self._lock:
                self._ending = True
                self._queue.clear()
                self._work.notify_all()
                self._room.notify_all()
            patience = time.monotonic() + GRACE
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(0.0, patience - time.monotonic()))
        if self._acknowledged != sent:  # pragma: no cover - cannot be, and must not be
            message = f"{sent - self._acknowledged} chunks were not acknowledged"
            raise Stop(message)

    def _take(self, piece: Piece) -> int:
        """Queue the chunks of a piece that have to be sent, and return how many there are."""
        if piece.data is not None:
            if self._notes.holds(piece.offset, piece.data):
                self._meter.done += piece.length
                return 0
            self._put(piece)
            return 1
        count = 0
        # An earlier call may have written something where there are zeros now.
        for offset in self._notes.sent_within(piece.offset, piece.length):
            if not self._notes.holds(offset, None):
                length = min(CHUNK, piece.offset + piece.length - offset)
                self._put(Piece(offset, 0, bytes(-(-length // 4096) * 4096)))
                count += 1
        self._meter.done += piece.length
        self._meter.skipped += piece.length
        return count

    def _put(self, piece: Piece) -> None:
        self._wait(lambda: len(self._queue) < _QUEUED)
        with self._lock:
            if not self._unacknowledged:
                self._heard = self._rack.clock()
            self._unacknowledged += 1
            self._queue.append(piece)
            self._work.notify()

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Wait in the caller's thread, with reports meanwhile; raise the error that has ended the upload."""
        while True:
            with self._lock:
                if self._failure is None and not ready():
                    self._news.wait(INTERVAL)
                failure, done = self._failure, ready()
                silent = self._unacknowledged > 0 and self._rack.clock() - self._heard > SILENCE
            if failure is not None:
                raise failure
            if done:
                return
            if silent:
                message = f"no chunk has been acknowledged for {SILENCE:.0f} s"
                raise Stop(message) from self._trouble
            self._tick()

    def _tick(self) -> None:
        with self._lock:
            self._meter.done, self._bytes = self._meter.done + self._bytes, 0
            self._meter.retries, self._retries = self._meter.retries + self._retries, 0
        self._meter.tick()

    def _serve(self) -> None:
        """Send chunks until there are no more."""
        try:
            while (piece := self._next()) is not None:
                self._deliver(*piece)
        except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
            with self._lock:
                self._failure = self._failure or error
                self._news.notify()

    def _next(self) -> tuple[int, int, bytes] | None:
        """Return offset, length and request body of the next chunk; its raw bytes are then released."""
        with self._lock:
            while not (self._queue or self._ending):
                self._work.wait()
            if self._ending:
                return None
            offset, length, data = self._queue.popleft()
            if len(self._queue) == _QUEUED - 1:
                self._news.notify()
        assert data is not None  # noqa: S101 - only pieces with data are queued
        self._notes.will_send(offset, data)
        view = memoryview(data)
        # This encodes in small pieces, since memory for a whole chunk would be mapped and unmapped each time.
        encoded = [
            binascii.b2a_base64(view[at : at + _ENCODED], newline=False)
            for at in range(0, len(data), _ENCODED)
        ]
        return offset, length, b"".join([b'{"offset":%d,"base64_encoded_data":"' % offset, *encoded, b'"}'])

    def _deliver(self, offset: int, length: int, body: bytes) -> None:
        """Send one chunk until it is acknowledged, or the upload ends."""
        failures = 0
        while (began := self._enter()) is not None:
            forgiving = self._forgive_until is not None and self._rack.clock() < self._forgive_until
            failure: ApiException | None = None
            try:
                self._rack.bulk_write(self._disk, body)
            except ApiException as error:
                failure = error
            finally:
                self._leave(began, trouble=failure is not None and is_passing(failure))
            if failure is None:
                self._notes.arrived(offset)
                self._count(length)
                return
            if not is_passing(failure) and not (forgiving and is_lost_volume(failure)):
                raise self._fatal(offset, failure) from failure
            with self._lock:
                self._retries += 1
                self._trouble = failure
            self._pause(backoff(self._rack, failures, failure))
            failures += 1

    def _count(self, length: int) -> None:
        with self._lock:
            self._unacknowledged -= 1
            self._acknowledged += 1
            self._bytes += length
            self._heard = self._rack.clock()
            self._forgive_until = None
            if not self._unacknowledged:
                self._news.notify()

    def _enter(self) -> int | None:
        """Wait until another request may be sent, and return the epoch; None if the upload is ending."""
        with self._lock:
            while self._active >= self._allowed and not self._ending:
                self._room.wait()
            if self._ending:
                return None
            self._active += 1
            return self._epoch

    def _leave(self, began: int, *, trouble: bool) -> None:
        """Count a request that is over: trouble halves the number of requests at a time, successes raise it."""
        with self._lock:
            self._active -= 1
            if trouble and began == self._epoch:
                # Only the first failure of an epoch counts: requests under way at the same time fail together.
                self._epoch += 1
                self._allowed, self._successes = max(1, self._allowed // 2), 0
            elif not trouble and self._allowed < self._workers:
                self._successes += 1
                if self._successes >= max(_STEADY, self._allowed):
                    self._allowed, self._successes = self._allowed + 1, 0
            self._room.notify(2)

    def _fatal(self, offset: int, failure: ApiException) -> Exception:
        if isinstance(failure, ForbiddenException):
            return failure
        if is_lost_volume(failure):
            message = "the rack has lost what was sent to the disk, so the upload has to start over"
            return LostVolume(message, hopeless=True)
        return Stop(f"the chunk at byte {offset} was refused: {failure}", hopeless=failure.status == 404)

    def _pause(self, seconds: float) -> None:
        """Wait in short slices, so that the end of the upload does not have to wait for it."""
        while seconds > 0 and not self._ending:
            self._rack.sleep(min(seconds, _SLICE))
            seconds -= _SLICE
