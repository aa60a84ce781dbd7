"""The table of all settings, each declared once; how they conflict, where they are found, and a report of them."""

import copy
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import Any, ClassVar, Final, Self, SupportsIndex, Unpack

from typing_extensions import override
from urllib3.util.retry import Retry

from oxide._attempt import Attempt
from oxide._identity import checks
from oxide._identity.attribute import Setting, setting
from oxide._identity.credentials import find_credentials
from oxide._identity.hosts import masked_host, parse_host
from oxide._identity.keywords import Settings
from oxide._identity.names import no_such_setting
from oxide._identity.proxies import Proxy, choose_proxy
from oxide._identity.secrets import masked, masked_if_suspect
from oxide._identity.settings import DEFAULT, HasSettings
from oxide._identity.tls import Tls, describe_trust
from oxide._identity.versions import versions
from oxide._traceback import ends_here
from oxide.exceptions import ApiTypeError, ConfigurationError

_Seconds = Setting[float | None, float | timedelta | SupportsIndex | None]
_Path = Setting[str | None, str | PathLike[str] | None]

_CONTEXT_SETTINGS: Final = ("ssl_ca_cert", "ca_cert_data", "cert_file", "key_file", "key_password")
_TRUST_SETTINGS: Final = ("verify_ssl", "ssl_ca_cert", "ca_cert_data")


class Configuration(HasSettings):
    """The settings of an `ApiClient`.

    They may be changed until the first client is made; from then on only `access_token` may be assigned.
    An unknown setting or an invalid value raises at once. Copies keep the token and may be changed; a configuration
    that holds a secret cannot be pickled. Times are numbers of seconds or `timedelta`s.

    Raises:
        ConfigurationError: a value that cannot be used, or two that conflict.
        ApiTypeError: a setting that does not exist.
    """

    host: Setting[str, str | None] = setting(
        checks.host, default="http://localhost", kw_only=False, none_is_default=True, mask=masked_host
    )
    """The URL of the API, such as `https://my-silo.sys.rack.example`. A missing scheme means `https://`; a port, an
    IPv6 address in brackets and a base path are allowed. Assigning another host removes the `access_token`."""
    access_token: str | Callable[[], str] | None = setting(
        checks.access_token, default=None, secret=True, live=True, belongs_to="host"
    )
    """Sent as `Authorization: Bearer …`; a `str`, or a callable without arguments that returns one and is called for
    every attempt. White space around it is removed."""
    ssl_ca_cert: _Path = setting(checks.path, default=None)
    """A file of CA certificates, PEM or DER, used instead of the system's."""
    ca_cert_data: str | bytes | None = setting(checks.certificates, default=None)
    """CA certificates as PEM (`str` or `bytes`) or DER (`bytes`), used instead of the system's."""
    cert_file: _Path = setting(checks.path, default=None)
    """A file with the client's certificate chain, PEM."""
    key_file: _Path = setting(checks.path, default=None)
    """A file with the private key of `cert_file`, PEM, if it is not in the same file."""
    key_password: str | None = setting(checks.password, default=None, secret=True)
    """The password of an encrypted private key; never asked for at the terminal."""
    verify_ssl: bool = setting(checks.flag, default=True)
    """False accepts any certificate; a client then warns once."""
    assert_hostname: str | bool | None = setting(checks.assert_hostname, default=None)
    """The name to expect in the server's certificate instead of the host's; False accepts any name."""
    tls_server_name: str | None = setting(checks.server_name, default=None)
    """The name to ask the server for (SNI), and to expect in its certificate."""
    ssl_context: ssl.SSLContext | None = setting(checks.client_context, default=None)
    """Used instead of the CAs, the client's certificate, `verify_ssl` and `assert_hostname`."""
    allow_http_token: bool = setting(checks.flag, default=False)
    """True allows sending the token over plain `http://` to other machines."""
    resolve: Setting[Mapping[str, str], Mapping[str, str] | None] = setting(
        checks.addresses, default={}, none_is_default=True
    )
    """Addresses by host name, as in `{"my.rack": "192.0.2.7"}`, used instead of the system's resolver."""
    proxy: str | None = setting(checks.proxy, default=None, secret=True)
    """The URL of an HTTP proxy, with user name and password if it needs them. None uses the environment's
    (`HTTPS_PROXY`, …), except for loopback hosts; `""` means no proxy. Assigning another proxy removes the
    `proxy_headers`."""
    no_proxy: str | None = setting(checks.no_proxy, default=None)
    """Comma-separated hosts to reach directly: names (and their subdomains), addresses, networks, each with or
    without a port; `*` for all. None uses the environment variable `NO_PROXY`."""
    proxy_headers: Mapping[str, str] | None = setting(
        checks.headers, default=None, secret=True, belongs_to="proxy"
    )
    """Headers for the proxy."""
    proxy_ssl_context: ssl.SSLContext | None = setting(checks.client_context, default=None)
    """For TLS with an `https://` proxy; None trusts the same CAs as for the host."""
    # Long enough to create an image of many GiB, short enough for a nightly job to end the same night.
    timeout: _Seconds = setting(checks.seconds, default=300.0)
    """Seconds for a whole call, including every attempt, backoff, header and body byte; None means no limit."""
    connect_timeout: _Seconds = setting(checks.seconds, default=5.0)
    """Seconds for one attempt to connect, including TLS and proxy; None means no separate limit."""
    read_timeout: _Seconds = setting(checks.seconds, default=60.0)
    """Seconds without data from the server; None means no separate limit. For POST and DELETE only `timeout` applies: the
    server works until it is done, and giving up early only makes the outcome unknown."""
    # Enough to ride out the restart of one of a rack's several API servers.
    max_retries: Setting[int, SupportsIndex | None] = setting(
        checks.at_least(0), default=2, none_is_default=True
    )
    """The maximum number of retries of a call. A request is sent again only if that is safe."""
    retries: Setting[int | Retry | None, SupportsIndex | Retry | None] = setting(checks.retries, default=None)
    """The same in the generated interface: an `int` is `max_retries`, False is 0; a `urllib3.Retry` replaces the
    rules."""
    # About ten times the largest page, one of 10,000 images.
    max_response_bytes: Setting[int, SupportsIndex] = setting(checks.at_least(1), default=64 * 2**20)
    """The maximum size of a response, once decoded. JSON with more than a million values, and more than one for every
    64 of these bytes, is refused too: parsed, it would take many times as much memory."""
    connection_pool_maxsize: Setting[int, SupportsIndex | None] = setting(
        checks.at_least(1), default=100, none_is_default=True
    )
    """How many idle connections to keep; more are made when needed."""
    socket_options: Setting[Sequence[tuple[Any, ...]], Sequence[Sequence[Any]] | None] = setting(
        checks.socket_options, default=(), none_is_default=True
    )
    """`setsockopt` arguments, in addition to TCP_NODELAY and TCP keep-alive."""
    # Servers refuse versions newer than their own. This is the oldest published one, and has the image API used here.
    api_version: str | None = setting(checks.api_version, default="2025112000.0.0")
    """Sent as `api-version`; None sends none, and the server uses its newest."""
    application: tuple[str, str] | None = setting(checks.application, default=None)
    """Name and version of your program, put in front of the user agent."""
    on_attempt: Callable[[Attempt], object] | None = setting(checks.function, default=None)
    """Called with an `oxide.Attempt` after each attempt; an exception that it raises is logged, not passed on."""
    debug: bool | None = setting(checks.flag, default=None)
    """True sets the logger `oxide` to DEBUG, False to WARNING, None leaves it alone."""

    __slots__ = ()
    _default: ClassVar["Configuration | None"] = None

    @classmethod
    def from_environment(
        cls,
        host: str | None = None,
        token: str | None = None,
        profile: str | None = None,
        config_dir: str | PathLike[str] | None = None,
        **settings: Unpack[Settings],
    ) -> Self:
        """Return a configuration with the host and token that the official Oxide tools would use.

        Host and token always come from one source, the first of: `host` and `token`; the profile `profile`; a profile
        with the host `host`; `OXIDE_TOKEN` with `OXIDE_HOST`; a profile with the host `OXIDE_HOST`; the profile
        `OXIDE_PROFILE`; the `default-profile` of `config.toml`. An empty variable counts as not set. Profiles are
        those written by `oxide auth login`.

        Args:
            host: the URL of the API.
            token: the token for `host`; needs `host`.
            profile: the name of a profile.
            config_dir: the directory of `credentials.toml` and `config.toml`; by default `~/.config/oxide`.
            **settings: any other setting of `Configuration`.

        Raises:
            ConfigurationError: no host and token were found, or their sources conflict or cannot be read.
            ApiTypeError: a setting that does not exist.
        """
        host, token, profile = masked_host(host), masked(token), masked_if_suspect(profile)
        cls._mask(settings)
        with ends_here:
            for name in settings:
                if name == "access_token":
                    raise ApiTypeError("from_environment() takes the token as token=, together with host=")
                if name not in cls._settings:
                    known = {"token", "profile", "config_dir", *cls._settings} - {"access_token"}
                    raise ApiTypeError(no_such_setting(name, sorted(known)))
            found = find_credentials(host, token, profile, config_dir)
            masked_token: Any = found.token
            configuration = cls(found.host, access_token=masked_token, **settings)
            configuration._sources.update(host=found.source, access_token=found.source)
            return configuration

    @classmethod
    def get_default(cls) -> "Configuration":
        """Return the configuration used by clients made without one: that of `set_default`, else all defaults."""
        if Configuration._default is None:
            Configuration._default = Configuration()
        return Configuration._default

    @classmethod
    def get_default_copy(cls) -> "Configuration":
        """Return a copy of `get_default()`, which may be changed."""
        return copy.copy(cls.get_default())

    @classmethod
    def set_default(cls, default: "Configuration | None") -> None:
        """Set the configuration that `get_default` returns; None restores the defaults."""
        Configuration._default = default

    def to_debug_report(self) -> str:
        """Return the facts for a bug report, without secrets: versions, settings and their sources, proxy, CAs."""
        try:
            proxy = self._chosen_proxy()
            proxy_in_use = "none" if proxy is None else f"{proxy.url} ({proxy.source})"
        except ConfigurationError as error:
            proxy_in_use = f"none that can be used: {error}"
        trusted = describe_trust("ssl_context", self.ssl_context, *self._chosen(_TRUST_SETTINGS).values())
        return "\n".join(
            [
                *versions(),
                f"proxy in use: {proxy_in_use}",
                f"trusted CA certificates: {trusted}",
                *(f"{name}: {self._for_report(name)} ({self._source(name)})" for name in self._settings),
            ]
        )

    @override
    def _check(self) -> None:
        """Raise `ConfigurationError` if settings conflict or name files that cannot be used."""
        if problem := self._conflict():
            raise ConfigurationError(problem)
        if any(self._kept(name) is not None for name in _CONTEXT_SETTINGS):
            self._tls().host_context()

    def _conflict(self) -> str | None:
        if self.retries is not None and self._source("max_retries") != DEFAULT:
            return "max_retries and retries set the same thing: give only one"
        replaced = [name for name in (*_CONTEXT_SETTINGS, "assert_hostname") if self._kept(name) is not None]
        if not self.verify_ssl:
            replaced.append("verify_ssl=False")
        if self.ssl_context is not None and replaced:
            return f"ssl_context takes the place of {', '.join(replaced)}: give one or the other"
        for name in ("key_file", "key_password"):
            if self._kept(name) is not None and self.cert_file is None:
                return f"{name} needs cert_file"
        proxy = self._chosen_proxy()
        if proxy is not None and parse_host(self.host).name in self.resolve:
            return (
                f"resolve has no effect on {self.host} behind a proxy ({proxy.source}), which resolves names itself: "
                'leave it out, or set proxy=""'
            )
        return None

    @override
    def _changed(self, name: str) -> None:
        if name == "debug" and self.debug is not None:
            logging.getLogger("oxide").setLevel(logging.DEBUG if self.debug else logging.WARNING)

    def _freeze(self) -> None:
        """Freeze every setting but `access_token`: a client has been made, and will not read them again."""
        object.__setattr__(self, "_frozen", {"proxy": self._chosen_proxy()})

    def _chosen(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: self._kept(name) for name in names}

    def _chosen_proxy(self) -> Proxy | None:
        """Return the proxy for requests to `host`, from `proxy`, `no_proxy` and the environment.

        Once a client is made, this no longer depends on the environment.
        """
        if self._frozen is not None:
            found: Proxy | None = self._frozen["proxy"]
            return found
        return choose_proxy(parse_host(self.host), self._kept("proxy"), self.no_proxy)

    def _tls(self) -> Tls:
        """Read what TLS needs; raise `ConfigurationError`, naming setting and file, if that cannot be done."""
        names = {*_CONTEXT_SETTINGS, *_TRUST_SETTINGS, "ssl_context", "proxy_ssl_context"}
        return Tls(**self._chosen(sorted(names)))
