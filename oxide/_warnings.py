"""Warnings of a category of their own, which point at the caller's code, not into this package."""

import sys
import warnings
from pathlib import Path

_HERE = str(Path(__file__).parent / "_")[:-1]  # with a trailing separator


class OxideWarning(UserWarning):
    """The category of every warning of this package, so that they can be filtered.

    They are about unverified TLS, profile files that other users may read, tokens that have expired, and uploads: a disk
    that may not boot, or what could not be removed.
    """


def warn(message: str) -> None:
    """Issue an `OxideWarning` for the line that called this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, OxideWarning, stacklevel=level)
