"""The `NameOrIdSortMode` of a listing."""

import json
from enum import StrEnum
from typing import Self


class NameOrIdSortMode(StrEnum):
    """The order of a listing; names are compared byte by byte: `-`, then digits, then letters. There is none by time."""

    NAME_ASCENDING = "name_ascending"
    NAME_DESCENDING = "name_descending"
    ID_ASCENDING = "id_ascending"

    @classmethod
    def from_json(cls, json_str: str | bytes) -> Self:
        """Return the sort mode that a JSON string names; raise `ValueError` for anything else."""
        return cls(json.loads(json_str))
