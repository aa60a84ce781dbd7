"""Hosts: parsing and comparing them, and recognizing this machine."""

import ipaddress
import re
from typing import Any, Final, NamedTuple

from oxide._identity.secrets import IN_QUOTES, QUOTED, Secret, masked_if_suspect
from oxide.exceptions import ConfigurationError

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# Compiled when first used, not at the import.
_AUTHORITY: Final = r"(?a)(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::([0-9]{1,5}))?"
_LABEL: Final = r"[a-z0-9_-]{1,63}"
_NUMBER: Final = r"[0-9]+|0x[0-9a-f]*"
_PATH: Final = r"(?a)(?:/(?:[\w.~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})+)*"  # RFC 3986, section 3.3
_LOOPBACK_V4 = ipaddress.ip_network("127.0.0.0/8")
_LOOPBACK_V6 = ipaddress.ip_address("::1")


class Host(NamedTuple):
    """Where requests go; two spellings of one place are equal.

    Attributes:
        scheme: `http` or `https`.
        name: a DNS name in lower case, or an IP address without brackets.
        port: the port, by default that of the scheme.
        base_path: the path before `/v1/…`, without a trailing slash.
    """

    scheme: str
    name: str
    port: int
    base_path: str = ""

    @property
    def url(self) -> str:
        """The URL, without a trailing slash, and without the port if it is the scheme's default."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{name}{port}{self.base_path}"


def masked_host(value: Any) -> Any:
    """Return a possible host, masked if it holds what may be a password, or looks like a token."""
    value = masked_if_suspect(value)
    return Secret(value) if isinstance(value, str) and not {"@", "?", "#"}.isdisjoint(value) else value


def parse_host(text: object, setting: str = "host") -> Host:
    """Return the host that `text` names; raise `ConfigurationError` for anything but scheme, name, port and path.

    A missing scheme means `https://`, as in the official CLI. `setting` is its name in the message.
    """
    text = masked_host(text)
    if isinstance(text, Secret):
        raise ConfigurationError(f"{setting}: {_secret_part(text.reveal())}")
    if not isinstance(text, str):
        raise ConfigurationError(f"{setting} must be a str, as in 'https://my-silo.sys.rack.example'")
    text = text.strip()
    if not text:
        raise ConfigurationError(f"{setting} is empty")
    if QUOTED.fullmatch(text):
        raise ConfigurationError(f"{setting} {text}: {IN_QUOTES}")
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in text):
        raise ConfigurationError(
            f"{setting} {text!r}: must not contain white space, a backslash or a control character"
        )
    scheme, separator, rest = text.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("https", text)
    if scheme not in DEFAULT_PORTS:
        raise ConfigurationError(f"{setting} {text!r}: the scheme must be http or https")
    authority, slash, path = rest.partition("/")
    place = parse_authority(authority)
    if place is None:
        raise ConfigurationError(
            f"{setting} {text!r}: {authority!r} must be a host name in ASCII or an IP address (IPv6 in brackets, "
            "without a zone), with or without a port from 1 to 65535"
        )
    base_path = (slash + path).rstrip("/")
    if not re.fullmatch(_PATH, base_path) or not {".", ".."}.isdisjoint(base_path.split("/")):
        raise ConfigurationError(f"{setting} {text!r}: the path must be made of plain segments")
    name, port = place
    return Host(scheme, name, port or DEFAULT_PORTS[scheme], base_path)


def _secret_part(text: str) -> str:
    """Return why a text that may hold a secret is no host."""
    if "@" in text:
        return "must not contain a user name or password; the token is given separately"
    if "?" in text or "#" in text:
        return "must not contain a query or a fragment"
    return "looks like a token (not shown): were host and token given in the wrong order?"


def parse_authority(text: str) -> tuple[str, int | None] | None:
    """Return name and port of `name:port`, the port None if left out; return None for any other form."""
    found = re.fullmatch(_AUTHORITY, text)
    if found is None:
        return None
    bracketed, name, port = found.groups()
    if bracketed is not None:
        address = parse_address(bracketed)
        name = str(address) if isinstance(address, ipaddress.IPv6Address) else None
    else:
        # The final dot of an absolute name is only for the resolver; certificates do not have it.
        name = name.lower().removesuffix(".")
        name = name if is_name(name) else None
    if name is None or (port is not None and not 1 <= int(port) <= 65535):
        return None
    return name, None if port is None else int(port)


def is_name(text: str) -> bool:
    """Return whether `text`, in lower case, is a DNS name or an IPv4 address in its usual form."""
    labels = text.split(".")
    if len(text) > 253 or not all(re.fullmatch(_LABEL, label) for label in labels):
        return False
    # The system accepts `127.1` and `0x7f000001` as addresses, so a typing error would reach another machine.
    return not re.fullmatch(_NUMBER, labels[-1]) or parse_address(text) is not None


def is_loopback(name: str) -> bool:
    """Return whether a host name or address is, by its form alone, this machine: `localhost`, 127/8 or `::1`."""
    address = parse_address(name)
    if address is None:
        return name == "localhost"
    # Not its `is_loopback`, which includes IPv4 addresses in IPv6 form on some Pythons only.
    return address in _LOOPBACK_V4 or address == _LOOPBACK_V6


def parse_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that `name` spells, without brackets, or None."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
