"""The `BlockSize` of an image."""

import json
from typing import Self

from oxide.models._open_enum import OpenEnum


class BlockSize(int, OpenEnum):
    """The size of an image's blocks, in bytes; a size unknown to this version is kept (`is_unknown`)."""

    NUMBER_512 = 512
    NUMBER_2048 = 2048
    NUMBER_4096 = 4096

    @classmethod
    def from_json(cls, json_str: str | bytes) -> Self:
        """Return the block size for a JSON number; raise `ValueError` for anything else."""
        return cls(json.loads(json_str))
