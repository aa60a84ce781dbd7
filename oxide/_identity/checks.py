"""What each kind of setting may be: a check takes name and value, and returns the value as it is kept.

Values of subclasses of `str`, `int` and the like are taken by what they are, not by what their methods say.
"""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from operator import index
from types import MappingProxyType
from typing import Any, Final, NoReturn

from urllib3.util.retry import Retry

from oxide._identity.hosts import is_name, parse_address, parse_host
from oxide._identity.proxies import parse_proxy
from oxide._identity.secrets import PRODUCT_TOKEN, Headers, Secret, SecretSource, checked_token
from oxide.exceptions import ApiTypeError, ApiValueError, ConfigurationError

# The most that the system's `poll`, which counts milliseconds, accepts: about 24 days.
_MAX_SECONDS: Final = (2**31 - 1) // 1000
_MAX_NUMBER: Final = 2**63 - 1
_C_INT: Final = range(-(2**31), 2**31)
_MAX_SHOWN: Final = 80  # characters of a value in a message
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*", re.ASCII)


def refuse(name: str, rule: str, *given: Any) -> NoReturn:
    """Raise `ConfigurationError` for a setting, with what was `given` if it is not secret."""
    raise ConfigurationError(f"{name} {rule}{''.join(map(_but_not, given))}")


def _but_not(value: Any) -> str:
    if value is None or isinstance(value, (str, int, float, timedelta)):
        with suppress(ValueError):  # as of a number with thousands of digits
            return f", not {(text(value) or value)!r:.{_MAX_SHOWN}}"
    return f", not {type(value).__name__}"


def text(value: Any) -> str | None:
    """Return the characters of a `str`, of whatever subclass, or None for anything else."""
    return str.__str__(value) if isinstance(value, str) else None


def number(value: Any) -> int | None:
    """Return the number in an integer or in what stands for one, as `numpy.int64`; None for anything else."""
    try:
        return None if isinstance(value, bool) else index(value)
    except TypeError:
        return None


def seconds(name: str, value: Any) -> float | None:
    """Return a number of seconds, from a number or a `timedelta`; None means no limit."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        found: float | None = timedelta.total_seconds(value)
    else:
        found = float.__pos__(value) if isinstance(value, float) else number(value)
    if found is None or not 0 < found <= _MAX_SECONDS:
        refuse(
            name,
            f"must be a positive number of seconds up to {_MAX_SECONDS}, a timedelta, or None for no limit",
            value,
        )
    return float(found)


def host(name: str, value: Any) -> str:
    """Return a host as a URL."""
    return parse_host(value, name).url


def access_token(name: str, value: Any) -> Secret | SecretSource:
    if isinstance(value, SecretSource):
        return value
    if not isinstance(value, Secret):
        refuse(name, "must be a str, or a callable without arguments that returns one")
    return checked_token(value, name)


def password(name: str, value: Any) -> Secret:
    """Return a secret text that is not empty."""
    if not (isinstance(value, Secret) and value.reveal().strip()):
        refuse(name, "must be a non-empty str, or None")
    return value


def no_proxy(name: str, value: Any) -> str:
    if (found := text(value)) is None:
        refuse(name, "must be a str of comma-separated hosts, or None", value)
    return found


def path(name: str, value: Any) -> str:
    if isinstance(value, Secret):
        refuse(name, "must be the path of a file, not what is in it")
    try:
        if isinstance(value, (str, os.PathLike)):
            found = str.__str__(os.fsdecode(value))
            if found and b"\0" not in os.fsencode(found):
                return found
    except UnicodeEncodeError:
        pass
    refuse(name, "must be a non-empty path", value)


def certificates(name: str, value: Any) -> str | bytes:
    if isinstance(value, Secret):
        refuse(name, "must be certificates alone, without a private key")
    found = _plain_bytes(value) if isinstance(value, bytes) else text(value)
    if not found:
        refuse(name, "must be certificates as str or bytes, or None")
    return found


def _plain_bytes(value: bytes) -> bytes:
    return bytes.__getitem__(value, slice(None))


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        refuse(name, "must be True or False", value)
    return value


def assert_hostname(name: str, value: Any) -> str | bool | None:
    """Return a name, or False for any."""
    # In the generated interface, True asks for the default.
    if value is True:
        return None
    return False if value is False else server_name(name, value)


def server_name(name: str, value: Any) -> str:
    found = text(value)
    if found is None or not (is_name(found.lower()) or parse_address(found) is not None):
        refuse(name, "must be a host name or an IP address, without a port, or None", value)
    return found


def client_context(name: str, value: Any) -> ssl.SSLContext:
    if not isinstance(value, ssl.SSLContext) or value.protocol == ssl.PROTOCOL_TLS_SERVER:
        refuse(name, "must be an ssl.SSLContext for clients, or None")
    return value


def at_least(least: int) -> Callable[[str, Any], int]:
    """Return a check for whole numbers."""

    def check(name: str, value: Any) -> int:
        found = number(value)
        if found is None or not least <= found <= _MAX_NUMBER:
            refuse(name, f"must be a whole number from {least} to {_MAX_NUMBER}", value)
        return found

    return check


def retries(name: str, value: Any) -> int | Retry:
    """Return a maximum number of retries, or the rules of urllib3."""
    if value is False or isinstance(value, Retry):
        return value
    if number(value) is None:
        refuse(name, "must be a number of retries, False, a urllib3.Retry or None", value)
    return at_least(0)(name, value)


def addresses(name: str, value: Any) -> Mapping[str, str]:
    """Return addresses by host name."""
    found: dict[str, str] = {}
    for given, given_address in value.items() if isinstance(value, Mapping) else [(None, None)]:
        address = parse_address((text(given_address) or "").strip("[]"))
        host_name = (text(given) or "").lower().removesuffix(".")
        if not is_name(host_name) or address is None:
            refuse(
                name, "must map host names, without a port, to IP addresses, as in {'my.rack': '192.0.2.7'}"
            )
        found[host_name] = str(address)
    return MappingProxyType(found)


def proxy(name: str, value: Any) -> Secret:
    """Return the URL of a proxy; it may be empty."""
    if not isinstance(value, Secret):
        refuse(name, "must be a str or None")
    if value:
        parse_proxy(value, name)
    return value


def headers(name: str, value: Any) -> Headers:
    if not isinstance(value, Mapping):
        refuse(name, "must map header names to values")
    try:
        return Headers(value)
    except (ApiTypeError, ApiValueError) as error:
        problem = str(error)
    refuse(name, f"cannot be sent: {problem}")


def socket_options(name: str, value: Any) -> tuple[tuple[Any, ...], ...]:
    options: Any = ((),)
    with suppress(TypeError):
        options = tuple(tuple(map(_option_part, option)) for option in value)
    if not all(map(_is_socket_option, options)):
        refuse(name, "must be a list of arguments for setsockopt, as in [(SOL_SOCKET, SO_RCVBUF, 65536)]")
    checked: tuple[tuple[Any, ...], ...] = options
    return checked


def _option_part(value: Any) -> Any:
    found = _plain_bytes(value) if isinstance(value, bytes) else number(value)
    return value if found is None else found


def _is_socket_option(option: tuple[Any, ...]) -> bool:
    match option:
        case (int(), int(), int() | bytes()):
            pass
        case (int(), int(), None, int(length)) if length >= 0:
            pass
        case _:
            return False
    return all(part in _C_INT for part in option if isinstance(part, int))


def api_version(name: str, value: Any) -> str | None:
    """Return a version, as the server writes its own; None means none."""
    found = text(value)
    if value is not None and (found is None or not _VERSION.fullmatch(found)):
        refuse(name, "must be a version, as in '2025112000.0.0', or None", value)
    return found


def application(name: str, value: Any) -> tuple[str, str]:
    """Return name and version of a program."""
    parts = [text(part) or "" for part in value] if isinstance(value, (tuple, list)) else []
    if len(parts) != 2 or not all(PRODUCT_TOKEN.fullmatch(part) for part in parts):
        refuse(name, "must be a name and a version without spaces, as in ('my-job', '1.0')", value)
    return parts[0], parts[1]


def function(name: str, value: Any) -> Any:
    if not callable(value):
        refuse(name, "must be callable", value)
    return value
