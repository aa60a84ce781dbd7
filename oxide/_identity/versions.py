"""The versions of this package, Python and the dependencies, for the head of a debug report."""

import platform
import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from oxide._version import __version__

_DEPENDENCIES: Final = ("pydantic", "python-dateutil", "typing-extensions", "urllib3")


def versions() -> list[str]:
    """Return two lines: this package and Python, and what they run with."""
    return [
        f"oxide {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join([*(f"{name} {_version(name)}" for name in _DEPENDENCIES), ssl.OPENSSL_VERSION]),
    ]


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of unknown version"
