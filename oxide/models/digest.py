"""The `Digest` of an image's contents."""

from oxide.models._model import ResponseModel
from oxide.models._open_enum import OpenEnum


class DigestType(str, OpenEnum):
    """The algorithm of a digest; one unknown to this version is kept (`is_unknown`)."""

    SHA256 = "sha256"


class Digest(ResponseModel):
    """A hash of an image's contents.

    Attributes:
        type: the hash algorithm.
        value: the hash, in hexadecimal.
    """

    type: DigestType
    value: str
