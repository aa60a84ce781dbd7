"""Disk files for the tests: with marks of their formats, compressed, sparse, and as file objects."""

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from backports import zstd

CHUNK: Final = 2**19
GIB: Final = 2**30

COMPRESS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": lambda data: bz2.compress(data, 1),
    # The checksum is there because the command-line program writes one.
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}
FORMATS: Final = ("raw", *COMPRESS)


@cache
def packed(data: bytes, form: str) -> bytes:
    """Return data in a format."""
    return data if form == "raw" else COMPRESS[form](data)


@cache
def noise(size: int, seed: int = 0) -> bytes:
    """Return incompressible bytes, the same ones each time."""
    return random.Random(seed).randbytes(size)


@cache
def disk(size: int = 3 * CHUNK + 1000, *, gpt: int | None = 512, seed: int = 0) -> bytes:
    """Return a disk with a partition table for blocks of `gpt` bytes, data, and a chunk of zeros if there is room."""
    data = bytearray(noise(size, seed))
    if size >= 2**16:
        for block in (512, 2048, 4096):
            data[block : block + 8] = b"EFI PART" if block == gpt else bytes(8)
        data[510:512] = b"\x55\xaa" if gpt else bytes(2)
    if size >= 3 * CHUNK:
        data[CHUNK : 2 * CHUNK] = bytes(CHUNK)
    return bytes(data)


def sparse(path: Path, size: int, pieces: Mapping[int, bytes]) -> Path:
    """Write a file of that size with data at some offsets and holes between."""
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in pieces.items():
            file.seek(offset)
            file.write(data)
    return path


class Pipe(io.RawIOBase):
    """A file object like a pipe: it is read once, in pieces of any length; `length` is that of an HTTP response."""

    def __init__(self, data: bytes, length: int | None = None, piece: int = 70_001) -> None:
        self._data = io.BytesIO(data)
        self._piece = piece
        self.length = length

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, self._piece) if size >= 0 else self._piece)
