"""The type of the `**settings` of `from_environment`; a test compares it with the table in `configuration`."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import Any, SupportsIndex

from typing_extensions import TypedDict
from urllib3.util.retry import Retry

from oxide._attempt import Attempt


class Settings(TypedDict, total=False, closed=True):
    """Every setting of a `Configuration` but host and token."""

    ssl_ca_cert: str | PathLike[str] | None
    ca_cert_data: str | bytes | None
    cert_file: str | PathLike[str] | None
    key_file: str | PathLike[str] | None
    key_password: str | None
    verify_ssl: bool
    assert_hostname: str | bool | None
    tls_server_name: str | None
    ssl_context: ssl.SSLContext | None
    allow_http_token: bool
    resolve: Mapping[str, str] | None
    proxy: str | None
    no_proxy: str | None
    proxy_headers: Mapping[str, str] | None
    proxy_ssl_context: ssl.SSLContext | None
    timeout: float | timedelta | SupportsIndex | None
    connect_timeout: float | timedelta | SupportsIndex | None
    read_timeout: float | timedelta | SupportsIndex | None
    max_retries: SupportsIndex | None
    retries: SupportsIndex | Retry | None
    max_response_bytes: SupportsIndex
    connection_pool_maxsize: SupportsIndex | None
    socket_options: Sequence[Sequence[Any]] | None
    api_version: str | None
    application: tuple[str, str] | None
    on_attempt: Callable[[Attempt], object] | None
    debug: bool | None
