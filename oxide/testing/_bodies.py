"""Parses the bodies of requests, field by field in the order in which the service reads them."""

import binascii
import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from oxide.testing._json_body import JsonBody, JsonObject

BYTE_COUNT_MAX: Final = 2**63 - 1
BLOCK_SIZES: Final = (512, 2048, 4096)
# [?] The block size of the devices that hold local disks.
_LOCAL_BLOCK_SIZE: Final = 4096
BULK_WRITE: Final = re.compile(
    rb'[ \t\r\n]*{[ \t\r\n]*"offset"[ \t\r\n]*:[ \t\r\n]*(0|[1-9][0-9]{0,17})[ \t\r\n]*,'
    rb'[ \t\r\n]*"base64_encoded_data"[ \t\r\n]*:[ \t\r\n]*"'
)
_WRITE_TAIL: Final = re.compile(rb'"[ \t\r\n]*}[ \t\r\n]*\Z')
_TAIL_BYTES: Final = 32


@dataclass(frozen=True)
class NewImage:
    """What the creation of an image asks for."""

    name: str
    description: str
    os: str
    version: str
    snapshot_id: UUID


@dataclass(frozen=True)
class NewDisk:
    """What the creation of a disk asks for; `copied` is the snapshot or image that it copies, if any."""

    name: str
    description: str
    size: int
    source: str
    block_size: int | None = None
    copied: UUID | None = None
    read_only: bool = False


@dataclass(frozen=True)
class BulkWrite:
    """One chunk; `data` is None if its text is not base64, and `encoded` is the length of that text."""

    offset: int
    data: bytes | None
    encoded: int


def parse_image_create(body: bytes) -> NewImage:
    """Return what the body asks for, or raise the service's 400."""
    image = JsonBody(body).outer("struct ImageCreate")
    os = image.string("os")
    version = image.string("version")
    source = image.inner("source", "internally tagged enum ImageSource")
    source.variant("type", ["snapshot"])
    snapshot_id = source.uuid("id")
    return NewImage(*_identity(image), os, version, snapshot_id)


def parse_disk_create(body: bytes, *, has_backend: bool) -> NewDisk:
    """Return what the body asks for; in newer versions of the API, the source is within `disk_backend`."""
    disk = JsonBody(body).outer("struct DiskCreate")
    if has_backend:
        backend = disk.inner("disk_backend", "internally tagged enum DiskBackend")
        if backend.variant("type", ["local", "distributed"]) == "local":
            size = _byte_count(disk, "size")
            return NewDisk(*_identity(disk), size, "local", block_size=_LOCAL_BLOCK_SIZE)
        source = backend.inner("disk_source", "internally tagged enum DiskSource", path="disk_backend: ")
        path = "disk_backend: "
    else:
        source = disk.inner("disk_source", "internally tagged enum DiskSource")
        path = "disk_source: "
    kind = source.variant("type", ["blank", "snapshot", "image", "importing_blocks"], path=path)
    block_size, copied, read_only = None, None, False
    if kind in {"snapshot", "image"}:
        copied, read_only = source.uuid(f"{kind}_id"), source.boolean("read_only")
    else:
        block_size = source.u64("block_size")
        if block_size not in BLOCK_SIZES:
            source.fail(f"invalid block size {block_size}")
    size = _byte_count(disk, "size")
    return NewDisk(*_identity(disk), size, kind, block_size, copied, read_only)


def parse_finalize(body: bytes) -> str | None:
    """Return the name of the snapshot to take, or None for none."""
    return JsonBody(body).outer("struct FinalizeDisk").optional_name("snapshot_name")


def parse_bulk_write(body: bytes) -> BulkWrite:
    """Return a chunk; data that is not base64 is refused only later."""
    # Nearly all chunks look like this. Their data is decoded in place: base64 has no characters that JSON escapes.
    head = BULK_WRITE.match(body)
    if head is not None and (tail := _WRITE_TAIL.search(body, max(head.end(), len(body) - _TAIL_BYTES))):
        encoded = memoryview(body)[head.end() : tail.start()]
        data = _decoded(encoded)
        if data is not None:
            return BulkWrite(int(head[1]), data, len(encoded))
    write = JsonBody(body).outer("struct ImportBlocksBulkWrite")
    offset, text = write.u64("offset"), write.string("base64_encoded_data").encode()
    return BulkWrite(offset, _decoded(text), len(text))


def _decoded(text: bytes | memoryview) -> bytes | None:
    """Decode standard base64 with padding and without white space; return None if the text is anything else."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    if data:
        # Python accepts unused bits that are set in the last symbol; the service does not.
        last = data[-1 - (len(data) - 1) % 3 :]
        if binascii.b2a_base64(last, newline=False) != text[-4:]:
            return None
    return data


def _byte_count(body: JsonObject, key: str) -> int:
    count = body.u64(key)
    if count > BYTE_COUNT_MAX:
        body.fail(f"{key}: value is too large for a byte count")
    return count


def _identity(body: JsonObject) -> tuple[str, str]:
    # The service reads the fields common to all resources last, and gives no path for them.
    return body.name("name", path=""), body.string("description", path="")
