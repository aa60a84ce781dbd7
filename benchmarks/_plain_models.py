"""The models as anyone would write them by hand: the same six, with the same fields, and nothing else."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class Digest(BaseModel):
    type: str
    value: str


class Error(BaseModel):
    error_code: str | None = None
    message: str
    request_id: str


class ImageSource(BaseModel):
    type: str
    id: UUID


class ImageCreate(BaseModel):
    description: str
    name: str
    os: str
    source: ImageSource
    version: str


class Image(BaseModel):
    block_size: int
    description: str
    digest: Digest | None = None
    id: UUID
    name: str
    os: str
    project_id: UUID | None = None
    size: int
    time_created: datetime
    time_modified: datetime
    version: str


class ImageResultsPage(BaseModel):
    items: list[Image]
    next_page: str | None = None
