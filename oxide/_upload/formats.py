"""Recognizes the format of a file by its first and last bytes, never by its name."""

import shlex
from pathlib import PurePath
from typing import Final, Literal, NamedTuple

from oxide.exceptions import ApiValueError

Compression = Literal["gzip", "xz", "bzip2", "zstd"]
Format = Literal["raw", "gzip", "xz", "bzip2", "zstd"]

HEAD: Final = 2**16  # bytes from the beginning that tell a format and a partition table
TAIL: Final = 512  # bytes from the end that tell a format

_UNPACKERS: Final[dict[str, str]] = {
    "gzip": "gzip --decompress --keep",
    "xz": "xz --decompress --keep",
    "bzip2": "bzip2 --decompress --keep",
    "zstd": "zstd --decompress",
}
_SUFFIXES: Final = {".gz", ".xz", ".bz2", ".zst"}


class _Foreign(NamedTuple):
    """A format that has to be converted or unpacked; `command` does that, once the file names are added."""

    name: str
    command: str
    magic: bytes
    offset: int = 0
    at_end: bool = False

    def is_in(self, head: bytes, tail: bytes) -> bool:
        return (tail if self.at_end else head)[self.offset :].startswith(self.magic)


_CONVERT: Final = "qemu-img convert -O raw"
_FOREIGN: Final = (
    _Foreign("qcow2", _CONVERT, b"QFI\xfb"),
    _Foreign("VMDK", _CONVERT, b"KDMV"),
    _Foreign("VMDK", _CONVERT, b"COWD"),
    _Foreign("VMDK", _CONVERT, b"# Disk DescriptorFile"),
    _Foreign("VHDX", _CONVERT, b"vhdxfile"),
    # A VHD of a fixed size has no header, so qemu-img would take it for raw.
    _Foreign("VHD", f"{_CONVERT} -f vpc", b"conectix"),
    _Foreign("VHD", f"{_CONVERT} -f vpc", b"conectix", at_end=True),
    _Foreign("VDI", _CONVERT, b"\x7f\x10\xda\xbe", offset=64),
    _Foreign("zip", "unzip", b"PK\x03\x04"),
    _Foreign("zip", "unzip", b"PK\x05\x06"),
    _Foreign("7z", "7z x", b"7z\xbc\xaf\x27\x1c"),
    _Foreign("tar", "tar --extract --file", b"ustar", offset=257),
)


def compression_of(head: bytes) -> Compression | None:
    """Return the compression of a file that begins with `head`, or None."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head.startswith(b"BZh") and head[3:4] in b"123456789":
        return "bzip2"
    # Some programs put a skippable frame in front of the first one.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return "zstd"
    return None


def refuse_foreign(file: str, head: bytes, tail: bytes, inside: Compression | None) -> None:
    """Raise `ApiValueError` with the commands that convert the file, if its content is not a raw disk.

    Args:
        file: the file's name.
        head: the first bytes of its content, decoded.
        tail: the last bytes of its content, decoded; empty if they are not known.
        inside: the compression that the content was in, or None.
    """
    for foreign in _FOREIGN:
        if foreign.is_in(head, tail):
            name, command = foreign.name, foreign.command
            break
    else:
        # This is only for decoded content: a file that begins in this way is decoded first.
        again = compression_of(head) if inside else None
        if again is None:
            return
        name, command = again, _UNPACKERS[again]
    path = PurePath(file)
    commands = []
    if inside:
        commands.append(f"{_UNPACKERS[inside]} {shlex.quote(str(path))}")
        path = path.with_suffix("") if path.suffix in _SUFFIXES else path
    command = f"{command} {shlex.quote(str(path))}"
    if _CONVERT in command:
        path = path.with_name(f"{path.stem}.raw")
        command += f" {shlex.quote(str(path))}"
    commands.append(command)
    message = (
        f"file: {file} is {name}{f' inside {inside}' if inside else ''}, and only raw disks can be uploaded, as they "
        f"are or compressed with gzip, xz, bzip2 or zstd; this makes one: {' && '.join(commands)}"
    )
    raise ApiValueError(message)
