"""Proxies: reading them, and telling which one a host is reached through."""

import base64
import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from oxide._hosts import DEFAULT_PORTS, Host, is_loopback, parse_address, split_netloc
from oxide._secrets import Secret
from oxide.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        scheme: `http` or `https`.
        name: a DNS name in lower case, or an IP address without brackets.
        port: the port, the scheme's own where none was given.
        authorization: the `Proxy-Authorization` header for its user name and password, or None.
        source: where it was found, for people.
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


def parse_proxy(text: str, source: str) -> Proxy:
    """Return the proxy that `text` names; raise `ConfigurationError` where it names none, never showing a password.

    A missing scheme means `http://`.
    """
    text = Secret(text.strip())
    scheme, separator, rest = text.partition("://")
    scheme, rest = (scheme.lower(), Secret(rest)) if separator else ("http", text)
    user, _, place = (Secret(part) for part in rest.rpartition("@"))
    shown = f"{scheme}://{place.reveal()}"
    if scheme.startswith("socks"):
        message = f"{source}: {shown!r}: SOCKS needs the package PySocks, which this client does not use; give an HTTP proxy"
        raise ConfigurationError(message)
    if scheme not in DEFAULT_PORTS:
        message = f"{source}: {shown!r}: the scheme must be http or https"
        raise ConfigurationError(message)
    name, port, path = split_netloc(f"//{place.reveal()}", shown, source)
    if path.strip("/"):
        message = f"{source}: {shown!r}: a path has no place in it"
        raise ConfigurationError(message)
    return Proxy(scheme, name, port or DEFAULT_PORTS[scheme], _basic(user) if user else None, source)


def choose_proxy(host: Host, proxy: str | None, no_proxy: str | None) -> Proxy | None:
    """Return the proxy to reach `host` through: the argument's, else the environment's, else None.

    `no_proxy` None stands for the environment's. Loopback hosts are exempt from a proxy of the environment.
    """
    from urllib.request import getproxies  # costs more than all the rest, and only here is it needed

    environment = {name: Secret(value) for name, value in getproxies().items()}
    if no_proxy is None:
        no_proxy = environment.get("no", "")
    if proxy is None:
        name = host.scheme if environment.get(host.scheme) else "all"
        proxy, source = environment.get(name), f"environment ({name}_proxy)"
        if is_loopback(host.name):
            return None
    else:
        source = "proxy"
    if not proxy or not proxy.strip() or bypasses_proxy(host, no_proxy):
        return None
    return parse_proxy(proxy, source)


def _basic(user_info: Secret) -> Secret:
    user, _, password = user_info.partition(":")
    credentials = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return Secret("Basic " + base64.b64encode(credentials).decode("ascii"))


def bypasses_proxy(host: Host, no_proxy: str) -> bool:
    """Whether `no_proxy`, a comma-separated list as in the environment variable, takes `host` past the proxy.

    An entry is `*`, a domain (with or without a leading `.` or `*.`; it covers its subdomains), an address, a
    network in CIDR form, or a domain or address with a port.
    """
    address = parse_address(host.name)
    for entry in no_proxy.lower().replace(" ", ",").split(","):
        if entry == "*":
            return True
        name, port = _entry_parts(entry)
        if not name or (port is not None and port != str(host.port)):
            continue
        if address is not None:
            try:
                if address in ipaddress.ip_network(name, strict=False):
                    return True
            except ValueError:
                continue
        elif host.name.rstrip(".") == name or host.name.rstrip(".").endswith(f".{name}"):
            return True
    return False


def _entry_parts(entry: str) -> tuple[str, str | None]:
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":") or None
    name, colon, port = entry.partition(":")
    if colon and ":" not in port:
        return name.removeprefix("*").strip("."), port
    return entry.removeprefix("*").strip("."), None
