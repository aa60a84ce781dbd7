"""Reports the progress of an upload, to a callable or as a bar."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Final, TypeAlias

from oxide._traceback import calls_users_code
from oxide._uploading import Step, UploadProgress
from oxide.exceptions import ApiTypeError, ApiValueError

# Seconds between two reports within one step.
INTERVAL: Final = 0.1


Report: TypeAlias = Callable[[UploadProgress], object]


class Meter:
    """Counts and reports: at most ten times a second, but always the first and last state of each step.

    Only the thread of the call may use it.
    """

    def __init__(self, report: Report, clock: Callable[[], float]) -> None:
        self._report = report
        self._clock = clock
        self._began = clock()
        self._next = 0.0
        self._last: UploadProgress | None = None
        self.step: Step = "check"
        self.done = 0
        self.total: int | None = None
        self.skipped = 0
        self.retries = 0

    def enter(self, step: Step) -> None:
        """Begin a step, after reporting the last state of the previous one if that has not been done."""
        if self._last is not None:
            self.flush()
        self.step = step
        self._send()

    def tick(self) -> None:
        """Report, unless that was done less than a tenth of a second ago."""
        if self._clock() >= self._next:
            self._send()

    def flush(self) -> None:
        """Report the last state of a step, unless that has been done."""
        last = self._last
        if last is None or (last.done, last.total, last.skipped, last.retries) != (
            self.done, self.total, self.skipped, self.retries,
        ):  # fmt: skip
            self._send()

    @calls_users_code
    def _send(self) -> None:
        now = self._clock()
        self._next = now + INTERVAL
        self._last = UploadProgress(
            self.step, self.done, self.total, self.skipped, self.retries, now - self._began
        )
        self._report(self._last)


class Bar:
    """A bar on standard error, drawn by `tqdm`."""

    def __init__(self, tqdm: Any) -> None:
        # Otherwise tqdm starts a thread that redraws bars which nobody updates.
        kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
        self._bar = kind(
            file=sys.stderr, unit="B", unit_scale=True, unit_divisor=1024, desc="check", ncols=_columns()
        )

    def __enter__(self) -> Report:
        return self._show

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _show(self, progress: UploadProgress) -> None:
        bar = self._bar
        if bar.desc != progress.step:
            bar.set_description_str(progress.step, refresh=False)
        bar.total, bar.n = progress.total, progress.done
        bar.refresh()


def _columns() -> int | None:
    """Return 80 for a terminal that does not know its width, such as a CI job's; None for any other."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return None
    return None if known else 80


def reporting(progress: object) -> AbstractContextManager[Report]:
    """Return a context that yields the function to call with each report.

    Raises:
        ApiTypeError: `progress` is neither a callable nor True, False or None.
        ApiValueError: it is True, and `tqdm` is not installed.
    """
    if progress is None or progress is False:
        return nullcontext(lambda _: None)
    if progress is True:
        try:
            tqdm = import_module("tqdm").tqdm
        except ImportError:
            message = "progress=True draws with tqdm, which is not installed: pip install 'oxide[upload]'"
        else:
            return Bar(tqdm)
        raise ApiValueError(message)
    if not callable(progress):
        message = f"progress: expected a callable, True or None, got {type(progress).__name__}"
        raise ApiTypeError(message)
    report: Report = progress
    return nullcontext(report)
