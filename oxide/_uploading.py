"""What an upload reads, and what it tells: how far it is, and what it could not remove."""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Literal, Protocol, TypeAlias

from typing_extensions import override

Step: TypeAlias = Literal["check", "create disk", "upload", "finalize", "create image", "clean up", "done"]


class BinaryFile(Protocol):
    """The method that a file object must have."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, or no bytes at the end."""
        ...


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """The progress of `image_upload`.

    Attributes:
        step: the current step: `check`, `create disk`, `upload`, `finalize`, `create image`, `clean up` or `done`.
        done: how many bytes of the content are on the disk, skipped zeros included; while a compressed file is
            checked, how many have been decoded.
        total: the size of the decoded content, in bytes, or None while that is not known.
        skipped: how many bytes were zeros and did not have to be sent.
        retries: how often a chunk was sent again.
        elapsed: the seconds since the call began.
    """

    step: Step
    done: int
    total: int | None
    skipped: int
    retries: int
    elapsed: float


@dataclass(frozen=True, slots=True)
class Leftover:
    """A disk, snapshot or image that an upload created and that is still on the rack.

    Attributes:
        kind: `disk`, `snapshot` or `image`.
        name: its name.
        id: its ID, or None if that is not known.
        state: its state when it was last seen, or None if that is not known.
        reason: why it is still there.
    """

    kind: Literal["disk", "snapshot", "image"]
    name: str
    id: str | None
    state: str | None
    reason: str

    @override
    def __str__(self) -> str:
        known = ", ".join(part for part in (self.id, self.state) if part)
        return f"{self.kind} {self.name}{f' ({known})' if known else ''}: {self.reason}"


ImageFile: TypeAlias = str | PathLike[str] | BinaryFile
ProgressReport: TypeAlias = Callable[[UploadProgress], object] | bool | None
