"""What `image_upload` takes for a file and for its progress; loaded with the package, since signatures name them."""

from collections.abc import Callable
from os import PathLike
from typing import Protocol, TypeAlias

from oxide._upload.progress import UploadProgress


class BinaryFile(Protocol):
    """What a file object has to have."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


ImageFile: TypeAlias = str | PathLike[str] | BinaryFile
ProgressReport: TypeAlias = Callable[[UploadProgress], object] | bool | None
