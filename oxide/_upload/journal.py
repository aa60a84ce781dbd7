"""The journal: a file that lets an interrupted upload resume.

Each line is appended with a checksum, so the file may be cut at any byte.
"""

import contextlib
import json
import os
import stat
import threading
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from typing_extensions import override

from oxide._upload.content import CHUNK
from oxide._upload.notes import Notes
from oxide._upload.stop import Stop
from oxide.exceptions import ApiValueError

_MAGIC: Final = b"oxide upload journal 1\n"
_DIGEST: Final = 16  # bytes kept of each chunk's SHA-256
_UNKNOWN, _SENT, _ARRIVED = range(3)


class Journal(Notes):
    """Notes that outlive the process. The constructor opens, locks and reads the file.

    Args:
        path: the file; it is created if it does not exist.
        arguments: the arguments of the call, and the host; never a secret.

    Raises:
        ApiValueError: the file is not a journal, belongs to another upload, is in use, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.path = os.fspath(path)
        self._lock = threading.Lock()
        self._digests = bytearray()
        self._states = bytearray()
        self._known: dict[str, Any] = {}
        self._file, self._good = -1, 0
        try:
            self._file = _locked(self.path)
            self._read()
            self.resumed = bool(self._known)
            self.agree(**arguments)
        except OSError as error:
            self.close()
            message = f"journal: {self.path}: {error.strerror or error}"
            raise ApiValueError(message) from error
        except BaseException:
            self.close()
            raise

    def agree(self, **facts: Any) -> None:
        """Note what is uploaded, or raise `ApiValueError` with the first difference from what was noted before."""
        for name, value in facts.items():
            if name in self._known and self._known[name] != value:
                message = (
                    f"journal: {self.path} is of another upload: {name} was {self._known[name]!r} and is now {value!r}; "
                    "give the same arguments, or another journal"
                )
                raise ApiValueError(message)
        new = {name: value for name, value in facts.items() if name not in self._known}
        if new:
            self._append({"upload": new})

    @override
    def will_send(self, offset: int, data: bytes) -> None:
        """Note that the disk may hold these bytes from now on."""
        self._append(f"s {offset // CHUNK} {_digest(data).hex()}")

    @override
    def arrived(self, offset: int) -> None:
        """Note that the server has acknowledged what was sent last for this offset."""
        self._append(f"a {offset // CHUNK}")

    @override
    def holds(self, offset: int, data: bytes | None) -> bool:
        """Return whether the disk is known to hold these bytes, None for zeros, at this offset."""
        number = offset // CHUNK
        state = self._states[number] if number < len(self._states) else _UNKNOWN
        if state == _UNKNOWN:
            # Nothing was ever sent there, so it holds zeros.
            return data is None
        noted = self._digests[number * _DIGEST : (number + 1) * _DIGEST]
        return state == _ARRIVED and noted == _digest(bytes(CHUNK) if data is None else data)

    @override
    def sent_within(self, offset: int, length: int) -> list[int]:
        """Return the offsets in a range for which something was ever sent."""
        first, last = offset // CHUNK, -(-(offset + length) // CHUNK)
        return [
            number * CHUNK for number in range(first, min(last, len(self._states))) if self._states[number]
        ]

    def delete(self) -> None:
        """Delete the file: there is nothing to resume."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)  # noqa: PTH108 - the path may be bytes
        self.close()

    @override
    def close(self) -> None:
        """Give up the lock and keep the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @override
    def _note(self, record: Mapping[str, Any]) -> None:
        self._append(record)

    def _append(self, record: Mapping[str, Any] | str) -> None:
        """Write one line and act on it; if the disk is full, remove the part of the line that was written."""
        text = record if isinstance(record, str) else json.dumps(record, separators=(",", ":"))
        line = b"%08x %s\n" % (zlib.crc32(text.encode()), text.encode())
        with self._lock:
            if not self._good:
                line = _MAGIC + line
            try:
                _write(self._file, line)
                if not isinstance(record, str):
                    os.fsync(self._file)
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._good)
                message = f"the journal {self.path} cannot be written: {error.strerror}"
                if not self.disk_name:
                    raise ApiValueError(message) from error
                raise Stop(message) from error
            self._good += len(line)
            self._apply(text)

    def _read(self) -> None:
        with open(os.dup(self._file), "rb") as file:  # noqa: PTH123 - a descriptor
            magic = file.readline(len(_MAGIC))
            if magic != _MAGIC:
                if not _MAGIC.startswith(magic):
                    message = f"journal: {self.path} is a file of another kind, which is left as it is"
                    raise ApiValueError(message)
                os.ftruncate(self._file, 0)
                return
            self._good = len(magic)
            for line in file:
                checksum, _, text = line.rstrip(b"\n").partition(b" ")
                # A line that a crash of the machine damaged is skipped, and its chunk is sent again.
                if line.endswith(b"\n"):
                    self._good += len(line)
                    if checksum == b"%08x" % zlib.crc32(text):
                        self._apply(text.decode())
        os.ftruncate(self._file, self._good)

    def _apply(self, text: str) -> None:
        if text.startswith("{"):
            record = json.loads(text)
            self._known.update(record.get("upload", {}))
            if self._take(record):
                self._digests.clear()
                self._states.clear()
            return
        kind, number, *digest = text.split()
        at = int(number)
        if at >= len(self._states):
            self._states.extend(bytes(at + 1 - len(self._states)))
            self._digests.extend(bytes((at + 1) * _DIGEST - len(self._digests)))
        if kind == "s":
            self._digests[at * _DIGEST : (at + 1) * _DIGEST] = bytes.fromhex(digest[0])
        self._states[at] = _SENT if kind == "s" else _ARRIVED


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()[:_DIGEST]


def _write(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


def _locked(path: str) -> int:
    """Open a file for this process alone; the lock ends with the process, even if it is killed."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(file, path)
            # Another process may have finished and deleted it just before this one got the lock.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), os.stat(path)):  # noqa: PTH116 - the path may be bytes
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _lock(file: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        message = f"journal: {path} is not a regular file"
        raise ApiValueError(message)
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows, where one process at a time is up to the caller
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = f"journal: {path} is in use by another process, or by another upload of this one"
    else:
        return
    raise ApiValueError(message)
