"""The report of a configuration, for a ticket: what is in force, and where it came from."""

import platform
import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from oxide._identity.settings import SETTINGS
from oxide._identity.tls import trusted_authorities
from oxide._version import __version__
from oxide.configuration import Configuration
from oxide.exceptions import ConfigurationError

_DEPENDENCIES: Final = ("pydantic", "python-dateutil", "typing-extensions", "urllib3")


def debug_report(configuration: Configuration) -> str:
    """See `Configuration.to_debug_report`."""
    try:
        proxy = configuration._chosen_proxy()
        proxy_in_use = "none" if proxy is None else f"{proxy.url} ({proxy.source})"
    except ConfigurationError as error:
        proxy_in_use = f"none that can be used: {error}"
    return "\n".join(
        [
            f"oxide {__version__}, Python {platform.python_version()}, {platform.platform()}",
            ", ".join([*(f"{name} {_version(name)}" for name in _DEPENDENCIES), ssl.OPENSSL_VERSION]),
            f"proxy in use: {proxy_in_use}",
            f"trusted CA certificates: {trusted_authorities(configuration)}",
            *(f"{name}: {configuration._shown(name)} ({configuration._sources[name]})" for name in SETTINGS),
        ]
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of unknown version"
