"""Faults for `Simulator.fail_next`: what can go wrong between a client and the service, as plain values.

Each says what happens to one request. Where it matters whether the service carried out the request before the fault,
`after_acting=True` says that it did; by default it did not.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import h11

_FRAMING_HEADERS: Final = {"content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Answer:
    """Send this response instead of the service's own, as a proxy in between might.

    `status` is 200 to 599; `body` is sent as it is, in UTF-8 if it is a `str`; the only headers are `headers` and those
    that frame the body.
    """

    status: int
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    after_acting: bool = False

    def __post_init__(self) -> None:
        _check_between("status", self.status, 200, 599, whole=True)
        if not isinstance(self.body, (str, bytes)):
            message = f"body must be str or bytes, not {type(self.body).__name__}"
            raise TypeError(message)
        _check_headers(self.headers)


@dataclass(frozen=True)
class Refuse:
    """Respond with an error in the service's own form, and do nothing else.

    `status` is 400 to 599; `error_code` is None for the errors that have none.
    """

    status: int
    message: str
    error_code: str | None = None

    def __post_init__(self) -> None:
        _check_between("status", self.status, 400, 599, whole=True)


@dataclass(frozen=True)
class Delay:
    """Respond as usual, but this many seconds later; with `math.inf`, never.

    Creating, finalizing or deleting a disk takes long on a rack. There the work is under way during the delay, unless
    `after_acting`: it goes on if the client gives up, and if the simulator stops, it is finished at the next start.
    """

    seconds: float
    after_acting: bool = False

    def __post_init__(self) -> None:
        _check_between("seconds", self.seconds, 0)


@dataclass(frozen=True)
class Drip:
    """Act, then send the response `size` bytes at a time, with `interval` seconds before each piece.

    With `body_only`, the status line and headers are sent at once.
    """

    interval: float
    size: int = 1
    body_only: bool = False

    def __post_init__(self) -> None:
        _check_between("interval", self.interval, 0)
        _check_between("size", self.size, 1, whole=True)


@dataclass(frozen=True)
class Drop:
    """Close the connection without a response; with `reset`, so that the client sees a connection reset.

    With `during`, the service acts after the connection is closed: its work takes this many seconds, as in a `Delay`.
    """

    after_acting: bool = False
    reset: bool = False
    during: float | None = None

    def __post_init__(self) -> None:
        if self.during is not None:
            _check_between("during", self.during, 0)
            if self.after_acting:
                message = "a connection cannot be dropped both during and after the act"
                raise ValueError(message)


@dataclass(frozen=True)
class Truncate:
    """Act, then send the response's headers and only the first `size` bytes of its body, and close."""

    size: int = 0

    def __post_init__(self) -> None:
        _check_between("size", self.size, 0, whole=True)


@dataclass(frozen=True)
class Interim:
    """Act, then send `count` interim responses (a status of 102 to 199) before the real one."""

    status: int = 103
    count: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_between("status", self.status, 102, 199, whole=True)
        _check_between("count", self.count, 1, whole=True)
        _check_headers(self.headers)


@dataclass(frozen=True)
class LosePantry:
    """Make the service's pantry forget the disk that a chunk is for: this chunk and all later ones get `Not Found`.

    Only bulk writes suffer it. Afterwards, finalizing that disk fails with a snapshot and works without one.
    """


@dataclass(frozen=True)
class Unwind:
    """Begin, fail, undo, and respond with 500.

    Only the creation, finalization and deletion of disks suffer it. As on a rack, no disk is created; a disk that was to
    be finalized is `import_ready` again and has no snapshot; and a disk that was to be deleted comes back `faulted` under
    the name `deleted-<id>`.
    """


Fault = Answer | Delay | Drip | Drop | Interim | LosePantry | Refuse | Truncate | Unwind


def _check_between(
    name: str, value: float, least: float, most: float = math.inf, *, whole: bool = False
) -> None:
    if not isinstance(value, int if whole else (int, float)):
        message = f"{name} must be {'a whole' if whole else 'a'} number, not {value!r}"
        raise TypeError(message)
    if not least <= value <= most:
        message = f"{name} must be between {least} and {most}, not {value}"
        raise ValueError(message)


def _check_headers(headers: Mapping[str, str]) -> None:
    if not _FRAMING_HEADERS.isdisjoint(map(str.lower, headers)):
        message = "a fault cannot set the headers that frame the body"
        raise ValueError(message)
    try:
        h11.Response(status_code=200, headers=list(headers.items()))
    except (h11.LocalProtocolError, UnicodeError) as error:
        message = f"these are not headers: {error}"
        raise ValueError(message) from None
