"""Enums that a newer server may extend."""

from enum import Enum
from typing import Any, Self

from typing_extensions import override


class OpenEnum(Enum):
    """A base for enums, with `int` or `str` mixed in, whose unknown values survive.

    `BlockSize(8192)` is a `BlockSize` that equals 8192 and whose `is_unknown` is True. Nothing is cached, so a
    server that keeps sending new values cannot fill the memory.
    """

    @classmethod
    @override
    def _missing_(cls, value: object) -> Self | None:
        # Where Enum keeps the mixed-in type.
        raw = vars(cls)["_member_type_"]
        if type(value) is not raw:
            return None
        make: Any = raw.__new__
        member: Self = make(cls, value)
        member._name_ = "UNKNOWN"
        member._value_ = value
        return member

    @property
    def is_unknown(self) -> bool:
        """Whether this version of the client has no name for the value."""
        return self._value_ not in type(self)._value2member_map_

    @override
    def __str__(self) -> str:
        return str(self._value_)

    @override
    def __format__(self, format_spec: str) -> str:
        return format(self._value_, format_spec)
