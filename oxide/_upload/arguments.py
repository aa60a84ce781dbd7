"""Checks the arguments of an upload before anything is opened or sent."""

import re
from typing import Any, Final, NamedTuple
from uuid import UUID

from oxide._call.agreement import agreeing
from oxide._call.encoding import checked_body, identifier
from oxide._identity.checks import number
from oxide._upload.content import GIB, LARGEST
from oxide._upload.layout import BLOCK_SIZES
from oxide.exceptions import ApiTypeError, ApiValueError
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NO_SNAPSHOT: Final = {"type": "snapshot", "id": UUID(int=0)}


class Arguments(NamedTuple):
    """What to make of the file; `image` lacks only its snapshot."""

    project: str
    image: ImageCreate
    block_size: int | None
    sha256: str | None
    size: int | None
    workers: int

    def facts(self, host: str) -> dict[str, Any]:
        """Return what must be the same for an interrupted upload to resume."""
        image = self.image
        return {
            "host": host,
            "project": self.project,
            "name": image.name,
            "os": image.os,
            "version": image.version,
            "description": image.description,
            "block_size": self.block_size,
            "sha256": self.sha256,
            "size": self.size,
        }

    def agreeing(self, image: Image, disk_size: int, block_size: int) -> Image:
        """Return the image if it is the one to make; raise `ObjectAlreadyExists` if it differs."""
        wanted = {
            "description": self.image.description,
            "os": self.image.os,
            "version": self.image.version,
            "size": disk_size,
            "block_size": block_size,
        }
        return agreeing(image, wanted, "image_upload")


def checked_arguments(
    project: Any,
    *,
    name: Any,
    os: Any,
    version: Any,
    description: Any,
    block_size: Any,
    sha256: Any,
    size: Any,
    workers: Any,
) -> Arguments:
    """Return the arguments in the form that the upload uses.

    Raises:
        ApiTypeError: one has the wrong type.
        ApiValueError: one has a value that the server would refuse, or that makes no sense.
    """
    image = {"name": name, "os": os, "version": version, "description": description, "source": _NO_SNAPSHOT}
    block_size = None if block_size is None else _whole("block_size", block_size)
    if block_size not in {None, *BLOCK_SIZES}:
        message = f"block_size: must be {', '.join(map(str, BLOCK_SIZES))} or None, not {block_size}"
        raise ApiValueError(message)
    size = None if size is None else _whole("size", size)
    if size is not None and not 1 <= size <= LARGEST:
        message = f"size: must be 1 to {LARGEST} bytes ({LARGEST // GIB} GiB), not {size}"
        raise ApiValueError(message)
    workers = _whole("workers", workers)
    if workers < 1:
        message = f"workers: must be at least 1, not {workers}"
        raise ApiValueError(message)
    return Arguments(
        identifier("project", {"project": project}),
        checked_body("image_upload", ImageCreate, image),
        block_size,
        _digest(sha256),
        size,
        workers,
    )


def _whole(name: str, value: Any) -> int:
    if (found := number(value)) is None:
        message = f"{name}: expected int, got {type(value).__name__}"
        raise ApiTypeError(message)
    return found


def _digest(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        message = f"sha256: expected str, got {type(value).__name__}"
        raise ApiTypeError(message)
    digest = value.strip().lower()
    if not _SHA256.fullmatch(digest):
        message = f"sha256: must be 64 hexadecimal digits, not {value[:80]!r}"
        raise ApiValueError(message)
    return digest
