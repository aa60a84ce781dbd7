"""Reads the file to upload, without decoding: in order, more than once if possible, and without reading holes."""

import contextlib
import errno
import io
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Self

from oxide._traceback import calls_users_code
from oxide._transport.failures import is_from_signal_handler
from oxide._upload.stop import Stop
from oxide._uploading import ImageFile
from oxide.exceptions import ApiTypeError, ApiValueError

if TYPE_CHECKING:
    from hashlib import _Hash

_ZEROS: Final = bytes(2**20)


class _State(NamedTuple):
    """The status of a file; a change means that somebody wrote to it."""

    size: int
    modified: int
    inode: int
    device: int


class Source:
    """A file, or a binary file object from its current position on.

    Attributes:
        name: what messages call it.
        length: how many bytes it has, or None if that is not known.
        rereadable: whether it can be read more than once.
        hasher: gets every byte in order, also the zeros of holes; None for no hash.
        position: how many bytes have been read or skipped.
    """

    def __init__(self, file: ImageFile) -> None:
        self.hasher: _Hash | None = None
        self.position = 0
        self._ahead = b""
        self._owned = isinstance(file, (str, os.PathLike))
        self._file = _opened(file)
        if isinstance(file, io.TextIOBase) or (not hasattr(file, "read") and not self._owned):
            message = (
                f"file: expected a path or a file object opened in binary mode, got {type(file).__name__}"
            )
            raise ApiTypeError(message)
        self.name = str(file) if self._owned else str(getattr(file, "name", "the file object"))
        self._descriptor = _descriptor(self._file)
        self.rereadable = _seekable(self._file)
        self._begin = 0
        if self.rereadable:
            self._begin = self._file.tell()
            self.length: int | None = max(0, self._end() - self._begin)
            self._file.seek(self._begin)
        else:
            # An HTTP response has its announced length here.
            length = getattr(file, "length", None)
            self.length = length if type(length) is int and length >= 0 else None
        self._state = self._look()
        self._data_from = self._data_until = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            self._file.close()

    @property
    def modified(self) -> int | None:
        """When the file was last modified, in nanoseconds since the epoch; None if it is not a file."""
        return None if self._state is None else self._state.modified

    def rewind(self) -> None:
        """Go back to where the source begins; it must be rereadable."""
        self._ahead = b""
        self._file.seek(self._begin)
        self.position = self._data_from = self._data_until = 0

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end, and leave the position unchanged."""
        if len(self._ahead) < size:
            self._ahead += self._pull(size - len(self._ahead))
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        data = self._ahead[:size]
        self._ahead = self._ahead[size:]
        if len(data) < size:
            data = data + self._pull(size - len(data)) if data else self._pull(size)
        self.position += len(data)
        if self.hasher is not None:
            self.hasher.update(data)
        return data

    def tail(self, size: int) -> bytes:
        """Return the last `size` bytes, or all if there are fewer; the source must be rereadable."""
        at = self._file.tell()
        self._file.seek(self._begin + max(0, (self.length or 0) - size))
        try:
            return self._pull(size)
        finally:
            self._file.seek(at)

    def hole(self) -> int:
        """Return how many of the next bytes are in a hole of a sparse file, and so are zeros."""
        if self._descriptor is None or self.length is None:
            return 0
        if self.position < self._data_until:
            return max(0, self._data_from - self.position)
        start, end = _extent(self._descriptor, self._begin + self.position, self._begin + self.length)
        self._data_from, self._data_until = start - self._begin, end - self._begin
        return self._data_from - self.position

    def skip(self, size: int) -> None:
        """Move over `size` bytes of a hole."""
        self._ahead = b""
        self.position += size
        self._file.seek(self._begin + self.position)
        while self.hasher is not None and size > 0:
            self.hasher.update(_ZEROS[:size])
            size -= len(_ZEROS)

    def check_unchanged(self) -> None:
        """Raise `Stop` if somebody has changed the file since it was opened."""
        state = self._look()
        if state == self._state or state is None or self._state is None:
            return
        if state.size != self._state.size:
            what = f"it had {self._state.size} bytes and now has {state.size}"
        else:
            what = "it was written to"
        raise self.changed(what)

    def check_ended(self) -> None:
        """Raise `Stop` if the source has grown, or if somebody has changed the file."""
        self.check_unchanged()
        if self.rereadable and self.length is not None and self._end() != self._begin + self.length:
            what = f"it had {self.length} bytes and now has {self._end() - self._begin}"
            raise self.changed(what)

    def changed(self, what: str) -> Stop:
        """Return the error for a source that has changed."""
        return Stop(f"{self.name} changed while it was read: {what}", hopeless=True)

    def _end(self) -> int:
        end: int = self._file.seek(0, io.SEEK_END)
        return end

    def _look(self) -> _State | None:
        if self._descriptor is None:
            return None
        found = os.fstat(self._descriptor)
        # The status of a device does not have its size.
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        return _State(size, found.st_mtime_ns, found.st_ino, found.st_dev)

    @calls_users_code
    def _pull(self, size: int) -> bytes:
        """Return the next `size` bytes from the file object, which may return fewer at a time."""
        pieces: list[bytes] = []
        while size > 0:
            try:
                piece = self._file.read(size)
            except OSError as error:
                if is_from_signal_handler(error):
                    raise
                message = f"{self.name} cannot be read: {error.strerror or error}"
                raise Stop(message) from error
            if not isinstance(piece, bytes):
                message = (
                    f"file: read() gave {type(piece).__name__}, not bytes: open it in binary, blocking mode"
                )
                raise ApiTypeError(message)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _opened(file: ImageFile) -> Any:
    return _open(file) if isinstance(file, (str, os.PathLike)) else file


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        # Unbuffered: everything is read in large pieces.
        return open(path, "rb", buffering=0)  # noqa: PTH123 - closed by `Source`; a FIFO's path, too
    except (OSError, ValueError) as error:
        message = f"file: {os.fspath(path)!r}: {getattr(error, 'strerror', None) or error}"
        raise ApiValueError(message) from error


def _seekable(file: Any) -> bool:
    # Some file objects claim to be seekable only because the file that they wrap is.
    with contextlib.suppress(OSError, AttributeError, io.UnsupportedOperation):
        if file.seekable():
            file.seek(file.tell())
            return True
    return False


def _descriptor(file: Any) -> int | None:
    """Return the descriptor of a regular file; None if the object may have other bytes, as a `GzipFile` does."""
    inner = getattr(file, "file", file)  # a wrapper of `tempfile`
    inner = inner.raw if type(inner) in {io.BufferedReader, io.BufferedRandom} else inner
    if type(inner) is not io.FileIO or not stat.S_ISREG(os.fstat(inner.fileno()).st_mode):
        return None
    return inner.fileno()


def _extent(descriptor: int, at: int, end: int) -> tuple[int, int]:
    """Return where the next data begins and ends; without support for holes, everything is data."""
    if not hasattr(os, "SEEK_DATA"):
        return at, end
    # The file object relies on the descriptor's own position.
    own = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        start = os.lseek(descriptor, at, os.SEEK_DATA)
        return min(start, end), min(os.lseek(descriptor, start, os.SEEK_HOLE), end)
    except OSError as error:
        # There is no data after this position.
        return (end, end) if error.errno == errno.ENXIO else (at, end)
    finally:
        os.lseek(descriptor, own, os.SEEK_SET)
