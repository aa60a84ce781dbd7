"""The `Image` itself."""

from uuid import UUID

from pydantic import AwareDatetime

from oxide.models._model import ResponseModel
from oxide.models.block_size import BlockSize
from oxide.models.digest import Digest


class Image(ResponseModel):
    """An image: the contents of a disk, from which new disks are made. It never changes, but may move.

    Attributes:
        block_size: the size of its blocks, in bytes.
        description: free text.
        digest: a hash of its contents, if the server knows it.
        id: its ID, which never changes.
        name: unique among the images of its project, or of its silo.
        os: the family of its operating system, such as `debian`.
        project_id: the project it belongs to; None for an image of the whole silo.
        size: its size, in bytes.
        time_created: when it was made.
        time_modified: when it was made, promoted or demoted, whichever came last.
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
    time_created: AwareDatetime
    time_modified: AwareDatetime
    version: str
