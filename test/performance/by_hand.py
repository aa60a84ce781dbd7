"""The models as anyone would write them by hand, with the same fields."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class PlainDigest(BaseModel):
    type: str
    value: str


class PlainImage(BaseModel):
    block_size: int
    description: str
    digest: PlainDigest | None = None
    id: UUID
    name: str
    os: str
    project_id: UUID | None = None
    size: int
    time_created: datetime
    time_modified: datetime
    version: str


class PlainPage(BaseModel):
    items: list[PlainImage]
    next_page: str | None = None
