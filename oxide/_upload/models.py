"""The responses to the calls of an upload: only the members that it reads."""

from uuid import UUID

from oxide.models._model import ResponseModel


class DiskState(ResponseModel):
    """The state of a disk, in an object of its own on the wire."""

    state: str


class Disk(ResponseModel):
    """A disk."""

    id: UUID
    name: str
    description: str
    size: int
    block_size: int
    state: DiskState


class Resources(ResponseModel):
    """Amounts of what a silo has or uses; storage in bytes."""

    storage: int


class Utilization(ResponseModel):
    """How much a silo may use, and how much of that is taken."""

    capacity: Resources
    provisioned: Resources
