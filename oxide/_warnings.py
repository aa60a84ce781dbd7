"""Warnings that point at the caller's code, not into this package."""

import sys
import warnings
from pathlib import Path

_HERE = str(Path(__file__).parent / "_")[:-1]  # with a trailing separator


def warn(message: str) -> None:
    """Issue a `UserWarning` for the line that called this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
