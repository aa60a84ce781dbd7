"""Hosts: reading them, comparing them, and telling which of them are this machine."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from oxide.exceptions import ConfigurationError

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252})", re.ASCII)
_PATH = re.compile(r"(?:/[\w.~!$&'()*+,;=:@-]*|%[0-9A-Fa-f]{2})*", re.ASCII)  # RFC 3986, section 3.3


@dataclass(frozen=True, slots=True)
class Host:
    """Where requests go; two spellings of one place are equal.

    Attributes:
        scheme: `http` or `https`.
        name: a DNS name in lower case, or an IP address without brackets.
        port: the port, the scheme's own where none was given.
        base_path: what stands before `/v1/…`, without a trailing slash.
    """

    scheme: str
    name: str
    port: int
    base_path: str = ""

    @property
    def netloc(self) -> str:
        """`name`, in brackets where it needs them, and the port unless it is the scheme's own."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def url(self) -> str:
        """The whole as a URL without a trailing slash."""
        return f"{self.scheme}://{self.netloc}{self.base_path}"


def parse_host(text: str) -> Host:
    """Return the host that `text` names; raise `ConfigurationError` for anything but scheme, name, port and path.

    A missing scheme means `https://`, as in the official CLI.
    """
    text = text.strip()
    # The rest of the text may be a password, so a refusal does not repeat it.
    if "@" in text:
        message = "host: user name and password have no place in it; use access_token"
        raise ConfigurationError(message)
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in text):
        message = f"host {text!r}: white space, a backslash or a control character"
        raise ConfigurationError(message)
    if "?" in text or "#" in text:
        message = f"host {text!r}: a query or a fragment has no place in it"
        raise ConfigurationError(message)
    scheme, separator, rest = text.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("https", text)
    if scheme not in DEFAULT_PORTS:
        message = f"host {text!r}: the scheme must be http or https"
        raise ConfigurationError(message)
    name, port, path = split_netloc(f"//{rest}", text, "host")
    path = path.rstrip("/")
    if not _PATH.fullmatch(path) or any(segment in {".", ".."} for segment in path.split("/")):
        message = f"host {text!r}: the path must be made of plain segments"
        raise ConfigurationError(message)
    return Host(scheme, name, port or DEFAULT_PORTS[scheme], path)


def split_netloc(reference: str, shown: str, setting: str) -> tuple[str, int | None, str]:
    """Return name, port and path of a `//name:port/path` reference."""
    try:
        parts = urlsplit(reference)
        name, port = parts.hostname or "", parts.port
        if ":" in name:
            name = str(ipaddress.IPv6Address(name))
        elif not name.isascii():
            name = name.encode("idna").decode("ascii")
    except ValueError as error:
        message = f"{setting} {shown!r}: {error}"
        raise ConfigurationError(message) from None
    if parts.netloc.endswith(":") or port == 0:
        message = f"{setting} {shown!r}: the port must be 1 to 65535"
        raise ConfigurationError(message)
    if not (":" in name or _NAME.fullmatch(name)):
        message = f"{setting} {shown!r}: no host name or address in it"
        raise ConfigurationError(message)
    return name, port, parts.path


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine by its form alone: `localhost`, 127/8 or `::1`."""
    if name.rstrip(".") == "localhost":
        return True
    address = parse_address(name)
    return address is not None and address.is_loopback


def parse_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that `name` spells, without brackets, or None."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
