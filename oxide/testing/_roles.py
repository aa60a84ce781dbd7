"""Callers and their roles: there are four roles, on the silo and on each of its projects."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

Role = Literal["viewer", "limited_collaborator", "collaborator", "admin"]


class Rank(IntEnum):
    """The roles in order: each includes those before it."""

    NONE = 0
    VIEWER = 1
    LIMITED_COLLABORATOR = 2
    COLLABORATOR = 3
    ADMIN = 4


RANKS: Final[Mapping[str, Rank]] = {rank.name.lower(): rank for rank in Rank if rank is not Rank.NONE}


@dataclass(frozen=True)
class Actor:
    """An authenticated user and the roles given to them directly."""

    name: str
    silo: Rank
    projects: Mapping[str, Rank]

    def project(self, project_id: str) -> Rank:
        """Return the rank on a project, which is at least the rank on the silo."""
        return max(self.silo, self.projects.get(project_id, Rank.NONE))
