"""Decodes gzip, xz, bzip2 and zstd as a stream of any size, in bounded memory."""

import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from oxide._upload.formats import Compression
from oxide._upload.source import Source
from oxide._upload.stop import Stop
from oxide.exceptions import ApiValueError

_PIECE: Final = 2**16  # compressed bytes to read at a time
# Bytes that decoding xz may take; its strongest preset needs 65 MiB.
_MAX_MEMORY: Final = 2**28


class _Decompressor(Protocol):
    """One member of a compressed file: the interface that `bz2`, `lzma` and `zstd` share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gunzip:
    """The same interface for gzip."""

    def __init__(self) -> None:
        import zlib

        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def decompressor(compression: Compression) -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """Return a function that makes a decompressor, and the exceptions that it raises for damaged data.

    Raises:
        ApiValueError: zstd needs a newer Python or a package that is not installed.
    """
    if compression == "gzip":
        import zlib

        return _Gunzip, (zlib.error,)
    if compression == "xz":
        import lzma

        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_MEMORY), (lzma.LZMAError,)
    if compression == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, (OSError, ValueError)
    zstd = _zstd()
    return zstd.ZstdDecompressor, (zstd.ZstdError,)


def _zstd() -> Any:
    from importlib import import_module

    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return import_module(name)
    except ImportError:
        message = (
            "file: it is compressed with zstd, which needs Python 3.14 or the package backports.zstd: "
            "pip install backports.zstd"
        )
    raise ApiValueError(message)


class Decoder:
    """The decoded bytes of a source, in order. Consecutive members are concatenated, as by `zcat`."""

    def __init__(self, source: Source, compression: Compression) -> None:
        self._source = source
        self._compression = compression
        self._make, self._damages = decompressor(compression)
        self._member: _Decompressor | None = self._make()
        self._input = b""
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """Return up to the next `size` bytes, fewer only at the end, without moving on."""
        data = self.read(size)
        self._ahead = data + self._ahead
        return data

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end.

        Raises:
            Stop: the compression is damaged or cut.
        """
        pieces = []
        if self._ahead:
            pieces.append(self._ahead[:size])
            self._ahead = self._ahead[size:]
            size -= len(pieces[0])
        while size > 0 and (piece := self._some(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _some(self, limit: int) -> bytes:
        """Return some of the next bytes, at most `limit`; none at the end."""
        while True:
            if self._member is None and not self._begin_member():
                return b""
            member = self._member
            assert member is not None  # noqa: S101 - made by `_begin_member`
            if member.needs_input and not self._input:
                self._input = self._source.read(_PIECE)
                if not self._input:
                    message = (
                        f"{self._source.name} is cut short: its {self._compression} data ends in the middle"
                    )
                    raise Stop(message, hopeless=True)
            try:
                piece = member.decompress(self._input, limit)
            except self._damages as error:
                reason = " ".join(str(error).split())
                message = (
                    f"{self._source.name} is damaged: near byte {self._source.position}, its {self._compression} data "
                    f"cannot be decoded ({reason})"
                )
                raise Stop(message, hopeless=True) from error
            self._input = b""
            if member.eof:
                self._input, self._member = member.unused_data, None
            if piece:
                return piece

    def _begin_member(self) -> bool:
        """Begin the next member, if there is one, and return whether there is; zeros around members are padding."""
        while True:
            self._input = self._input.lstrip(b"\0")
            if self._input:
                self._member = self._make()
                return True
            self._input = self._source.read(_PIECE)
            if not self._input:
                return False
