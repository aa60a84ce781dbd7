"""What an upload could not remove."""

from dataclasses import dataclass
from typing import Literal

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that an upload made and that is still on the rack.

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
