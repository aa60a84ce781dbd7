"""The `Image` that the API returns."""

from typing import Final
from uuid import UUID

from typing_extensions import override

from oxide._attempt import one_line
from oxide.models._model import ResponseModel
from oxide.models._moment import Moment
from oxide.models.block_size import BlockSize
from oxide.models.digest import Digest

_MAX_SHOWN: Final = 200  # bytes; the server's names are shorter
_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class Image(ResponseModel):
    """An image: the contents of a disk, from which new disks are created. Its contents never change, but it may move.

    Attributes:
        block_size: the size of its blocks, in bytes.
        description: free text.
        digest: a hash of its contents, if the server knows it.
        id: its ID, which never changes.
        name: unique among the images of its project, or of its silo.
        os: the family of its operating system, such as `debian`.
        project_id: the project it belongs to; None for an image of the whole silo.
        size: its size, in bytes.
        time_created: when it was created.
        time_modified: when it was created, promoted or demoted, whichever came last.
        version: the version of its operating system.
    """

    block_size: BlockSize
    description: str
    digest: Digest | None = None
    id: UUID
    name: str
    os: str
    project_id: UUID | None = None
    size: int
    time_created: Moment
    time_modified: Moment
    version: str

    @override
    def __str__(self) -> str:
        """Return name, ID, size, and the project or the silo, on one short line."""
        # Some may be missing if the model was built without validation.
        name, image_id, size, project = map(vars(self).get, ("name", "id", "size", "project_id"))
        where = "silo" if project is None else f"project {project}"
        return one_line(f"{name} ({image_id}), {_for_people(size)}, {where}", _MAX_SHOWN)


def _for_people(size: object) -> str:
    if not isinstance(size, int):
        return "size unknown"
    exponent = min(max(size.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{size / 1024**exponent:.4g} {_UNITS[exponent]}"
