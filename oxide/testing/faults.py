"""Faults for `Simulator.fail_next`: what can go wrong between a client and the service, as plain values.

Each says what happens to one request. Where it matters whether the service has done what was asked before things
go wrong, `after_acting=True` says that it has; by default it has not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """Answer with this instead of the service's own answer, as a proxy on the way might.

    `status` is 200 to 599; `body` is sent as it is, in UTF-8 if it is a `str`, with no headers but `headers` and
    those that frame the body.
    """

    status: int
    body: str | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after_acting: bool = False

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            message = f"status must be between 200 and 599, not {self.status}"
            raise ValueError(message)


@dataclass(frozen=True)
class Delay:
    """Answer as usual, but this many seconds later; `math.inf` never answers."""

    seconds: float
    after_acting: bool = False

    def __post_init__(self) -> None:
        _check_not_negative("seconds", self.seconds)


@dataclass(frozen=True)
class Drip:
    """Act, then send the answer `size` bytes at a time with `interval` seconds between, from its first byte on.

    With `body_only`, status line and headers are sent at once.
    """

    interval: float
    size: int = 1
    body_only: bool = False

    def __post_init__(self) -> None:
        _check_not_negative("interval", self.interval)
        if self.size < 1:
            message = f"size must be at least 1, not {self.size}"
            raise ValueError(message)


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer; with `reset`, so that the client sees a connection reset."""

    after_acting: bool = False
    reset: bool = False


@dataclass(frozen=True)
class Truncate:
    """Act, then send the answer's headers and only the first `size` bytes of its body, and close."""

    size: int = 0

    def __post_init__(self) -> None:
        _check_not_negative("size", self.size)


@dataclass(frozen=True)
class Interim:
    """Act, then send `count` interim answers (a status of 102 to 199) before the real one."""

    status: int = 103
    count: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 102 <= self.status <= 199:
            message = f"status must be between 102 and 199, not {self.status}"
            raise ValueError(message)
        if self.count < 1:
            message = f"count must be at least 1, not {self.count}"
            raise ValueError(message)


Fault = Answer | Delay | Drip | Drop | Truncate | Interim


def _check_not_negative(name: str, value: float) -> None:
    if not value >= 0:
        message = f"{name} must not be negative, but is {value}"
        raise ValueError(message)
