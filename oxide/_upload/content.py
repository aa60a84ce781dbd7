"""Decodes and examines the content of a source before anything is sent, then splits it into pieces to send."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from oxide._upload.decoding import Decoder
from oxide._upload.formats import HEAD, TAIL, Format, compression_of, refuse_foreign
from oxide._upload.layout import choose_block_size, layout_of
from oxide._upload.source import Source
from oxide._upload.stop import Stop
from oxide.exceptions import ApiValueError

GIB: Final = 2**30
LARGEST: Final = 1023 * GIB  # the server's limit for a disk
CHUNK: Final = 2**19  # the server's limit for one write

_ZEROS: Final = bytes(CHUNK)
# Bytes of a hole to skip at a time when they have to be hashed.
_HASHED: Final = 2**26


class Piece(NamedTuple):
    """A part of the content that begins at a multiple of 512 KiB.

    Attributes:
        offset: where it begins, in bytes.
        length: its bytes in the source.
        data: the bytes to write, at most 512 KiB, padded to whole blocks; None for zeros, of any length.
    """

    offset: int
    length: int
    data: bytes | None


class Content:
    """The decoded content of a source. The constructor examines it, before anything is sent.

    Args:
        source: where it comes from.
        block_size: the requested block size, or None.
        sha256: the expected digest of the source before decoding, hexadecimal, or None.
        size: the expected number of decoded bytes, or None.
        tick: gets how many bytes have been decoded.
        limit: the largest size allowed, in bytes.

    Attributes:
        format: what the source is compressed with, or `raw`.
        size: how many decoded bytes there are; for a source that is read only once, how many are expected.
        block_size: the block size that the disk needs.
        digest: the digest of the source before decoding; None until it has been computed.
        warning: why it may not boot, or None.

    Raises:
        ApiValueError: it is empty, too large, or in a format that cannot be uploaded.
        Stop: it is damaged, or is not what was expected.
    """

    def __init__(
        self,
        source: Source,
        *,
        block_size: int | None = None,
        sha256: str | None = None,
        size: int | None = None,
        tick: Callable[[int], object] = int,
        limit: int = LARGEST,
    ) -> None:
        self._source = source
        self._expected = sha256
        self._limit = limit
        self._tick = tick
        self.digest: str | None = None
        compression = compression_of(source.peek(HEAD))
        self.format: Format = compression or "raw"
        if self.format == "raw" and source.rereadable and source.length is not None:
            # Some formats can be recognized only by a table at the end.
            refuse_foreign(source.name, b"", source.tail(TAIL), None)
        source.hasher = hashlib.sha256() if compression or sha256 else None
        self._stream = self._open()
        head = self._stream.peek(HEAD)
        refuse_foreign(source.name, head, b"", compression)
        if not head:
            message = f"file: {source.name} is empty"
            raise ApiValueError(message)
        self.block_size, self.warning = choose_block_size(layout_of(head), block_size)
        self.size = self._measure(size)
        if size is not None and size != self.size:
            raise self._other_size(self.size, size)

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in order, without reading holes. A source that is read only once yields them only once.

        Raises:
            Stop: the source has changed, is damaged, or is not what was expected.
        """
        source = self._source
        if source.rereadable:
            self._rewind()
        offset, tail = 0, b""
        while offset < self.size:
            hole = 0 if self.format != "raw" else source.hole() // CHUNK * CHUNK
            if hole:
                hole = min(hole, self.size - offset, _HASHED if source.hasher else hole)
                source.skip(hole)
                yield Piece(offset, hole, None)
                offset += hole
                continue
            length = min(CHUNK, self.size - offset)
            data = self._stream.read(length)
            if len(data) != length:
                raise self._ended_early(offset + len(data))
            source.check_unchanged()
            tail = data[-TAIL:]
            if data == (_ZEROS if length == CHUNK else _ZEROS[:length]):
                yield Piece(offset, length, None)
            else:
                yield Piece(offset, length, data + bytes(-length % self.block_size))
            offset += length
        self._check_end(tail)

    def compute_digest(self) -> str:
        """Return the digest of the source before decoding, reading it if necessary; the source must be rereadable."""
        if self.digest is None:
            self._source.hasher = hashlib.sha256()
            for piece in self.pieces():
                self._tick(piece.offset + piece.length)
        assert self.digest is not None  # noqa: S101 - set where the pieces end
        return self.digest

    def _open(self) -> Source | Decoder:
        return self._source if self.format == "raw" else Decoder(self._source, self.format)

    def _rewind(self) -> None:
        self._source.rewind()
        if self._source.hasher is not None:
            self._source.hasher = hashlib.sha256()
        self._stream = self._open()

    def _measure(self, expected: int | None) -> int:
        """Return the size of the content, decoding all of it if that is necessary and possible."""
        source = self._source
        if self.format == "raw" and source.length is not None:
            return self._fitting(source.length)
        if not source.rereadable:
            if expected is None:
                message = f"file: {source.name} can be read only once and does not tell its length: give size"
                raise ApiValueError(message)
            return self._fitting(expected)
        done, tail = 0, b""
        while data := self._stream.read(CHUNK):
            done += len(data)
            tail = (tail + data)[-TAIL:] if len(data) < TAIL else data[-TAIL:]
            self._fitting(done)
            self._tick(done)
        self._refuse_foreign_end(tail)
        self._note_digest()
        return done

    def _fitting(self, size: int) -> int:
        if size > self._limit:
            message = (
                f"file: {self._source.name} has more than the {self._limit // GIB} GiB that a disk can hold"
            )
            raise ApiValueError(message)
        return size

    def _check_end(self, tail: bytes) -> None:
        """Check what is known only after everything has been read."""
        if self._stream.read(1):
            raise self._source.changed("it is longer now") if self._was_measured else self._ended_late()
        self._source.check_ended()
        if not self._was_measured:
            try:
                self._refuse_foreign_end(tail)
            except ApiValueError as error:
                raise Stop(str(error), hopeless=True) from None
        self._note_digest()

    def _refuse_foreign_end(self, tail: bytes) -> None:
        refuse_foreign(self._source.name, b"", tail, None if self.format == "raw" else self.format)

    @property
    def _was_measured(self) -> bool:
        """Whether the size was measured in the source itself."""
        return self._source.rereadable

    def _note_digest(self) -> None:
        source = self._source
        if source.hasher is None:
            return
        found = source.hasher.hexdigest()
        if self.digest is not None and found != self.digest:
            message = f"{source.name} changed while it was read: its digest is another one now"
            raise Stop(message, hopeless=True)
        if self._expected is not None and found != self._expected:
            message = f"{source.name} has the SHA-256 {found}, not {self._expected} as expected"
            raise Stop(message, hopeless=True)
        self.digest = found

    def _ended_early(self, size: int) -> Stop:
        if self._was_measured:
            return self._source.changed(f"it had {self.size} bytes of content and now has {size}")
        return self._other_size(size, self.size)

    def _ended_late(self) -> Stop:
        message = f"{self._source.name} has more than the expected {self.size} bytes of content"
        return Stop(message, hopeless=True)

    def _other_size(self, found: int, expected: int) -> Stop:
        message = f"{self._source.name} has {found} bytes of content, not the expected {expected}"
        return Stop(message, hopeless=True)
