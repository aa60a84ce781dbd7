"""What each setting of a `Configuration` may be: a check for each, and the defaults with their reasons."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, NoReturn

from oxide._identity.hosts import is_name, parse_address, parse_host
from oxide._identity.secrets import PRODUCT_TOKEN, Headers, Secret, SecretSource, checked_token, masked
from oxide.exceptions import ApiTypeError, ApiValueError, ConfigurationError

DEFAULT_HOST: Final = "http://localhost"
# Seconds. Long enough to create an image of many GiB, short enough for a nightly job to end the same night.
TIMEOUT: Final = 300.0
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 60.0
# Extra tries: enough to ride out the restart of one of a rack's several API servers.
MAX_RETRIES: Final = 2
# Bytes. About ten times the largest page, one of 10,000 images.
MAX_RESPONSE_BYTES: Final = 64 * 2**20
CONNECTION_POOL_MAXSIZE: Final = 100
# What None means for settings where it is not a value itself.
DEFAULTS: Final[Mapping[str, Any]] = {
    "host": DEFAULT_HOST,
    "resolve": {},
    "max_retries": MAX_RETRIES,
    "connection_pool_maxsize": CONNECTION_POOL_MAXSIZE,
    "socket_options": (),
}
# Servers refuse versions newer than their own. This is the oldest published one, and has the image API used here.
API_VERSION: Final = "2025112000.0.0"

# The most that the system's `poll`, which counts milliseconds, accepts: about 24 days.
_MAX_SECONDS: Final = (2**31 - 1) // 1000

_MAX_NUMBER: Final = 2**63 - 1

SECRETS: Final = frozenset({"access_token", "key_password", "proxy", "proxy_headers"})

_CREDENTIALS: Final = frozenset(
    {
        *("api_key", "api_key_prefix", "username", "password", "refresh_api_key_hook"),
        *("auth_settings", "get_api_key_with_prefix", "get_basic_auth_token"),
    }
)
_DROPPED: Final = _CREDENTIALS | frozenset(
    {
        *("server_index", "server_variables", "server_operation_index", "server_operation_variables"),
        *("ignore_operation_servers", "safe_chars_for_path_param", "client_side_validation"),
        *("datetime_format", "date_format", "temp_folder_path", "logger", "logger_file", "logger_format"),
        *("logger_formatter", "logger_stream_handler", "logger_file_handler"),
        *("get_host_settings", "get_host_from_settings"),
    }
)
# Semantic Versioning 2.0.0, as the server parses it.
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRERELEASE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = (
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE}(?:\.{_PRERELEASE})*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def masked_setting(name: str, value: Any) -> Any:
    """Return `value`, masked if it may be secret; that of an unknown name may be, since the name may be misspelled."""
    if name == "host":
        return Secret(value) if isinstance(value, str) and not {"@", "?", "#"}.isdisjoint(value) else value
    return masked(value) if name in SECRETS or name not in _CHECKS else value


def mask_settings(settings: dict[str, Any]) -> None:
    """Mask each value that may be secret, in place."""
    for name, value in settings.items():
        settings[name] = masked_setting(name, value)


def check_setting(name: str, value: Any) -> Any:
    """Return `value` as it is kept; raise `ConfigurationError`, naming setting and rule, if it cannot be used."""
    return _CHECKS[name](name, value)


def no_such_setting(name: str, known: Iterable[str] | None = None) -> str:
    """Return the message for a setting that does not exist; `known` are those that do, if not the usual ones."""
    if name in _DROPPED:
        instead = "; use access_token" if name in _CREDENTIALS else ""
        return f"{name} is a setting of generated clients that this one does not have: see docs/migrating.md{instead}"
    return f"there is no setting {name!r}{suggestion(name, _CHECKS if known is None else known)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the most similar known one, if any is close."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_seconds(name: str, value: Any) -> float | None:
    """Return a number of seconds, or None for no limit."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _MAX_SECONDS:
        _refuse(name, f"must be a positive number of seconds up to {_MAX_SECONDS}, or None for no limit")
    return float(value)


def _refuse(name: str, rule: str) -> NoReturn:
    message = f"{name} {rule}"
    raise ConfigurationError(message)


def _host(name: str, value: Any) -> str:
    return parse_host(value, name).url


def _access_token(name: str, value: Any) -> Any:
    if value is None or isinstance(value, SecretSource):
        return value
    if not isinstance(value, str):
        _refuse(name, "must be a str, or a callable without arguments that returns one")
    return checked_token(value, name)


def _text(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and value.strip()):
        _refuse(name, "must be a non-empty str, or None")
    return value


def _no_proxy(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        _refuse(name, "must be a str of comma-separated hosts, or None")
    return value


def checked_path(name: str, value: Any) -> str:
    """Return a path as text."""
    try:
        if (
            isinstance(value, (str, os.PathLike))
            and (path := os.fsdecode(value))
            and b"\0" not in os.fsencode(path)
        ):
            return path
    except UnicodeEncodeError:
        pass
    _refuse(name, "must be a non-empty path")


def _path(name: str, value: Any) -> str | None:
    return None if value is None else checked_path(name, value)


def _certificates(name: str, value: Any) -> str | bytes | None:
    if value is not None and not (isinstance(value, (str, bytes)) and value):
        _refuse(name, "must be certificates as str or bytes, or None")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        _refuse(name, "must be True or False")
    return value


def _debug(name: str, value: Any) -> bool | None:
    return None if value is None else _flag(name, value)


def _assert_hostname(name: str, value: Any) -> str | bool | None:
    # In the generated interface, True asks for the default.
    if value is True:
        return None
    return False if value is False else _server_name(name, value)


def _server_name(name: str, value: Any) -> str | None:
    if value is not None and not (
        isinstance(value, str) and (is_name(value.lower()) or parse_address(value) is not None)
    ):
        _refuse(name, "must be a host name or an IP address, without a port, or None")
    return value


def _ssl_context(name: str, value: Any) -> Any:
    if value is not None:
        import ssl

        if not isinstance(value, ssl.SSLContext) or value.protocol == ssl.PROTOCOL_TLS_SERVER:
            _refuse(name, "must be an ssl.SSLContext for clients, or None")
    return value


def _at_least(least: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MAX_NUMBER:
            _refuse(name, f"must be a whole number from {least} to {_MAX_NUMBER}")
        return int(value)

    return check


def _retries(name: str, value: Any) -> Any:
    if value is None or value is False:
        return value
    if isinstance(value, int):
        return _at_least(0)(name, value)
    from urllib3.util.retry import Retry

    if not isinstance(value, Retry):
        _refuse(name, "must be a number of extra tries, False, a urllib3.Retry or None")
    return value


def _resolve(name: str, value: Any) -> Mapping[str, str]:
    addresses: dict[str, str] = {}
    for host, text in value.items() if isinstance(value, Mapping) else [(None, None)]:
        address = parse_address(text.strip("[]")) if isinstance(text, str) else None
        host = host.lower().removesuffix(".") if isinstance(host, str) else ""
        if not is_name(host) or address is None:
            _refuse(
                name, "must map host names, without a port, to IP addresses, as in {'my.rack': '192.0.2.7'}"
            )
        addresses[host] = str(address)
    return MappingProxyType(addresses)


def _proxy(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        _refuse(name, "must be a str or None")
    if value:
        from oxide._identity.proxies import parse_proxy

        parse_proxy(value, name)
    return value


def _proxy_headers(name: str, value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        _refuse(name, "must map header names to values")
    try:
        return MappingProxyType(Headers(value))
    except (ApiTypeError, ApiValueError) as error:
        problem = str(error)
    _refuse(name, f"cannot be sent: {problem}")


def _socket_options(name: str, value: Any) -> tuple[tuple[Any, ...], ...]:
    options: Any = ((),)
    with suppress(TypeError):
        options = tuple(tuple(option) for option in value)
    if not all(map(_is_socket_option, options)):
        _refuse(name, "must be a list of arguments for setsockopt, as in [(SOL_SOCKET, SO_RCVBUF, 65536)]")
    checked: tuple[tuple[Any, ...], ...] = options
    return checked


def _is_socket_option(option: tuple[Any, ...]) -> bool:
    match option:
        case (int(level), int(number), bytes()):
            numbers = [level, number]
        case (int(level), int(number), int(value)):
            numbers = [level, number, value]
        case (int(level), int(number), None, int(length)) if length >= 0:
            numbers = [level, number, length]
        case _:
            return False
    return all(-(2**31) <= number < 2**31 for number in numbers)


def _api_version(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and re.fullmatch(_VERSION, value)):
        _refuse(name, f"must be a semantic version, as in {API_VERSION!r}, or None")
    return value


def _application(name: str, value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    if not (
        isinstance(value, (tuple, list))
        and len(value) == 2
        and all(isinstance(part, str) and PRODUCT_TOKEN.fullmatch(part) for part in value)
    ):
        _refuse(name, "must be a name and a version without spaces, as in ('my-job', '1.0')")
    return value[0], value[1]


def _on_attempt(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        _refuse(name, "must be callable")
    return value


_CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "host": _host,
    "access_token": _access_token,
    "ssl_ca_cert": _path,
    "ca_cert_data": _certificates,
    "cert_file": _path,
    "key_file": _path,
    "key_password": _text,
    "verify_ssl": _flag,
    "assert_hostname": _assert_hostname,
    "tls_server_name": _server_name,
    "ssl_context": _ssl_context,
    "allow_http_token": _flag,
    "resolve": _resolve,
    "proxy": _proxy,
    "no_proxy": _no_proxy,
    "proxy_headers": _proxy_headers,
    "proxy_ssl_context": _ssl_context,
    "timeout": check_seconds,
    "connect_timeout": check_seconds,
    "read_timeout": check_seconds,
    "max_retries": _at_least(0),
    "retries": _retries,
    "max_response_bytes": _at_least(1),
    "connection_pool_maxsize": _at_least(1),
    "socket_options": _socket_options,
    "api_version": _api_version,
    "application": _application,
    "on_attempt": _on_attempt,
    "debug": _debug,
}
SETTINGS: Final = tuple(_CHECKS)
