"""Cuts our own frames from the traceback of what leaves the package, so that the user's line and the public method stay.

The frames between are of no use to a program, and an error reporter prints the locals of every frame. Those of
`http.client` hold the request as it is sent, with the token.
"""

import sys
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any, Final, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

_OURS: Final = __name__.partition(".")[0]
# What we call; gevent takes the place of `socket` and `ssl`.
_LIBRARIES: Final = sys.stdlib_module_names | {"gevent", "pydantic", "urllib3"}
_HOLDS_SECRETS: Final = f"{_OURS}._call.echo"
_callers_of_users_code: set[CodeType] = set()


def calls_users_code(function: _Function) -> _Function:
    """Mark a function that calls a callable of the user's, whose frames stay in the traceback; use it as a decorator."""
    _callers_of_users_code.add(function.__code__)
    return function


class _Cut:
    """A context that cuts frames from the traceback of what leaves it.

    An exception that is neither ours nor an interrupt is a fault, which cannot be found without our frames: it keeps
    them. They hold no plain secret, but for those that look for one in a response, which go in any case.
    """

    __slots__ = ("_is_way", "_keeps_this_frame")

    def __init__(self, *, is_way: bool = False, keeps_this_frame: bool) -> None:
        self._is_way = is_way
        self._keeps_this_frame = keeps_this_frame

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or traceback is None:
            return
        is_fault = isinstance(error, Exception) and getattr(error, "_needs_our_frames", True)
        inner, is_users = traceback.tb_next, True
        if not self._is_way:
            inner, is_users = _filtered(inner, keeps_ours=is_fault)
        elif not is_fault:
            while inner is not None and _package(inner) == _OURS:
                inner = inner.tb_next
        if self._keeps_this_frame or is_fault:
            traceback.tb_next = inner
        else:
            # Python adds a frame where an exception is raised, not where it is raised again.
            error.__traceback__ = inner
        if not is_users:
            _cut_causes(error)


# The traceback ends with the frame of this `with` statement, or with the one before it.
ends_here: Final = _Cut(keeps_this_frame=True)
ends_above: Final = _Cut(keeps_this_frame=False)
# Around calls that have cut their own frames: those of ours which lead to them go too, with this one or without.
leads_on: Final = _Cut(is_way=True, keeps_this_frame=True)
leads_on_unseen: Final = _Cut(is_way=True, keeps_this_frame=False)


def _package(traceback: TracebackType) -> str:
    name: str = traceback.tb_frame.f_globals.get("__name__", "")
    return name.partition(".")[0]


def _cut_causes(error: BaseException) -> None:
    seen = {id(error)}
    waiting = [error.__cause__, error.__context__]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            cause.__traceback__, _ = _filtered(cause.__traceback__, keeps_ours=False)
            waiting += [cause.__cause__, cause.__context__]


def _filtered(traceback: TracebackType | None, *, keeps_ours: bool) -> tuple[TracebackType | None, bool]:
    """Return a traceback without the frames to cut, and whether it ends in a callable of the user's."""
    kept: list[TracebackType] = []
    is_users = False
    while traceback is not None and not is_users:
        frame, package = traceback.tb_frame, _package(traceback)
        is_kept = package != _OURS or (keeps_ours and frame.f_globals["__name__"] != _HOLDS_SECRETS)
        if is_kept and package not in _LIBRARIES:
            kept.append(traceback)
        is_users = frame.f_code in _callers_of_users_code and traceback.tb_next is not None
        traceback = traceback.tb_next
    # From a callable of the user's on, everything is theirs.
    for entry in reversed(kept):
        entry.tb_next = traceback
        traceback = entry
    return traceback, is_users
