"""Warnings that point at the program, not into this package."""

import sys
import warnings
from pathlib import Path

_HERE = str(Path(__file__).parent / "_")[:-1]  # with the separator at its end


def warn(message: str) -> None:
    """Give a `UserWarning` at the line that called this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
