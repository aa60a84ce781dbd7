"""Proxies: parsing them, and choosing the one for a host."""

import base64
import ipaddress
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from oxide._identity.hosts import DEFAULT_PORTS, Host, is_loopback, parse_address, parse_authority
from oxide._identity.secrets import IN_QUOTES, QUOTED, Secret, masked_if_suspect
from oxide.exceptions import ConfigurationError


class Proxy(NamedTuple):
    """An HTTP proxy.

    Attributes:
        scheme: `http` or `https`.
        name: a DNS name in lower case, or an IP address without brackets.
        port: the port, by default that of the scheme.
        authorization: the `Proxy-Authorization` header for its user name and password, or None.
        source: where it was found, for messages.
    """

    scheme: str
    name: str
    port: int
    authorization: Secret | None
    source: str

    @property
    def url(self) -> str:
        """The proxy as a URL, without user name and password."""
        return f"{self.scheme}://{f'[{self.name}]' if ':' in self.name else self.name}:{self.port}"


def parse_proxy(text: str | Secret, source: str) -> Proxy:
    """Return the proxy that `text` names; raise `ConfigurationError` if it is not valid.

    A missing scheme means `http://`. `source` is its name in the message, which does not show the text: if it is
    malformed, any part of it may be the password.
    """
    text = Secret(text)
    proxy = _proxy_or_problem(text, source)
    if isinstance(proxy, str):
        raise ConfigurationError(f"{source} {proxy}")
    return proxy


def _proxy_or_problem(secret: Secret, source: str) -> Proxy | str:
    # Raises nothing, since its frame holds the password.
    text = secret.reveal().strip()
    if QUOTED.fullmatch(text):
        return f"{IN_QUOTES} (the value is not shown)"
    scheme, separator, rest = text.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("http", text)
    user, _, place = rest.rpartition("@")
    if scheme.startswith("socks"):
        return (
            "is a SOCKS proxy, which this client does not support (it would need PySocks): "
            'give an HTTP proxy, or proxy="" for none'
        )
    if scheme not in DEFAULT_PORTS:
        return "must have the scheme http or https (the value is not shown)"
    if isinstance(masked_if_suspect(place), Secret):
        return "looks like a token (not shown): was it given in the wrong place?"
    authority = parse_authority(place.removesuffix("/"))
    authorization = _basic(user)
    if authority is None or authorization is None:
        return (
            "must be of the form http://name:port, with user name and password as in "
            "http://user:password@name:port, percent-encoded where needed (the value is not shown)"
        )
    name, port = authority
    return Proxy(scheme, name, port or DEFAULT_PORTS[scheme], authorization or None, source)


def choose_proxy(host: Host, proxy: str | Secret | None, no_proxy: str | None) -> Proxy | None:
    """Return the proxy to reach `host` through: the argument's, else the environment's, else None.

    An empty `proxy` means none at all; if `no_proxy` is None, that of the environment applies. Loopback hosts do not go
    through a proxy from the environment.
    """
    # Not `getproxies`, which asks Windows and macOS too, but not for the hosts that they exclude.
    from urllib.request import getproxies_environment

    environment = {name: Secret(value) for name, value in getproxies_environment().items()}
    if proxy is None:
        if is_loopback(host.name):
            return None
        name = host.scheme if environment.get(host.scheme) else "all"
        proxy, source = environment.get(name, Secret("")), f"{name.upper()}_PROXY in the environment"
    else:
        proxy, source = Secret(proxy), "proxy"
    if no_proxy is None:
        no_proxy = environment.get("no", Secret("")).reveal()
    if not proxy.reveal().strip() or bypasses_proxy(host, no_proxy):
        return None
    return parse_proxy(proxy, source)


def _basic(user_info: str) -> Secret | None:
    """Return the header for user name and password: empty if there are none, None if they cannot be sent."""
    if not user_info:
        return Secret("")
    try:
        # The environment is bytes, and may not be UTF-8.
        user, _, password = user_info.partition(":")
        credentials = b":".join(
            unquote_to_bytes(part.encode("utf-8", "surrogateescape")) for part in (user, password)
        )
    except UnicodeEncodeError:
        return None
    return Secret("Basic " + base64.b64encode(credentials).decode("ascii"))


def bypasses_proxy(host: Host, no_proxy: str) -> bool:
    """Return whether `no_proxy`, a list as in the environment variable, makes `host` bypass the proxy.

    Commas or white space separate the entries. An entry is `*`, a domain (with or without a leading `.` or `*.`;
    its subdomains are included), an address, a network in CIDR form, or any of them with a port.
    """
    address = parse_address(host.name)
    for entry in no_proxy.lower().replace(",", " ").split():
        if entry == "*":
            return True
        name, port = _entry_parts(entry)
        if not name or (port is not None and port != str(host.port)):
            continue
        if address is not None:
            if _is_in_network(address, name):
                return True
        elif f".{host.name}".endswith(f".{name}"):
            return True
    return False


def _entry_parts(entry: str) -> tuple[str, str | None]:
    """Return the name in an entry, without brackets, `*` and dots, and its port."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        name, port = entry, ""
    return name.removeprefix("*").strip("."), port.removeprefix(":") or None


def _is_in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
