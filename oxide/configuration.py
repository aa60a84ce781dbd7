"""All settings of a client: checked when set, masked if secret, explained in a report."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Never, NoReturn, Self

from oxide._identity.hosts import parse_host
from oxide._identity.secrets import MASK, masked
from oxide._identity.settings import (
    API_VERSION,
    CONNECT_TIMEOUT,
    DEFAULTS,
    MAX_RESPONSE_BYTES,
    READ_TIMEOUT,
    SECRETS,
    SETTINGS,
    TIMEOUT,
    check_setting,
    mask_settings,
    masked_setting,
    no_such_setting,
)
from oxide.exceptions import ApiAttributeError, ApiTypeError, ConfigurationError

if TYPE_CHECKING:
    import os
    import ssl

    from urllib3.util.retry import Retry

    from oxide._attempt import Attempt
    from oxide._identity.proxies import Proxy


_TLS_FILES = ("ssl_ca_cert", "ca_cert_data", "cert_file", "key_file", "key_password")


class Configuration:
    """The settings of an `ApiClient`.

    They may be changed until the first client is made; from then on only `access_token` may be assigned.
    An unknown setting or an invalid value raises at once. Copies keep the token and may be changed; a configuration
    that holds a secret cannot be pickled.

    Args:
        host: where the API is, as `https://my-silo.sys.rack.example`. A missing scheme means `https://`; a port, an
            IPv6 address in brackets and a base path are fine.
        access_token: sent as `Authorization: Bearer …`; a `str`, or a callable without arguments that returns one
            and is called for every attempt. White space around it is dropped.
        ssl_ca_cert: a file of CA certificates, PEM or DER, used instead of the system's.
        ca_cert_data: CA certificates as PEM (`str` or `bytes`) or DER (`bytes`), used instead of the system's.
        cert_file: a file with the client's certificate chain, PEM.
        key_file: a file with the private key of `cert_file`, PEM, if it is not in the same file.
        key_password: the password of an encrypted private key; never asked for at the terminal.
        verify_ssl: False accepts any certificate; a client then warns once.
        assert_hostname: the name to expect in the server's certificate instead of the host's; False accepts any name.
        tls_server_name: the name to ask the server for (SNI), and to expect in its certificate.
        ssl_context: used instead of the CAs, the client's certificate, `verify_ssl` and `assert_hostname`.
        allow_http_token: True allows sending the token over plain `http://` to other machines.
        resolve: addresses by host name, as in `{"my.rack": "192.0.2.7"}`, used instead of the system's resolver.
        proxy: the URL of an HTTP proxy, with user name and password if it needs them. None takes the
            environment's (`HTTPS_PROXY`, …), except for loopback hosts; `""` means no proxy.
        no_proxy: comma-separated hosts to reach directly: names (and their subdomains), addresses, networks, each with
            or without a port; `*` for all. None takes the environment variable `NO_PROXY`.
        proxy_headers: headers for the proxy.
        proxy_ssl_context: for TLS with an `https://` proxy; None trusts the same CAs as for the host.
        timeout: seconds for a whole call, including every attempt, pause, header and body byte; None means no limit.
        connect_timeout: seconds for one attempt to connect, including TLS and proxy; None means no separate limit.
        read_timeout: seconds without data from the server; None means no separate limit. For POST and DELETE only
            `timeout` applies: the server works until it is done, and giving up early only makes the outcome unknown.
        max_retries: the maximum number of extra tries, made only where trying again is safe.
        retries: the same in the generated interface: an `int` is `max_retries`, False is 0; a `urllib3.Retry`
            replaces the rules.
        max_response_bytes: the maximum size of an answer, once decoded. JSON with more than a million values, and
            more than one for every 64 of these bytes, is refused too: parsed, it would take many times as much memory.
        connection_pool_maxsize: how many idle connections to keep; more are made when needed.
        socket_options: `setsockopt` arguments, in addition to TCP_NODELAY and TCP keep-alive.
        api_version: sent as `api-version`; None sends none, and the server uses its newest.
        application: name and version of your program, put in front of the user agent.
        on_attempt: called with an `oxide.Attempt` after each attempt; what it raises is logged, not raised.
        debug: True sets the logger `oxide` to DEBUG, False to WARNING, None leaves it alone.

    Raises:
        ConfigurationError: a value that cannot be used, or two that conflict.
        ApiTypeError: a setting that does not exist.
    """

    # Secrets are kept apart, so that `vars` shows none of them.
    __slots__ = ("__dict__", "__weakref__", "_frozen", "_proxy", "_secrets", "_sources")

    host: str
    ssl_ca_cert: "str | os.PathLike[str] | None"
    ca_cert_data: str | bytes | None
    cert_file: "str | os.PathLike[str] | None"
    key_file: "str | os.PathLike[str] | None"
    verify_ssl: bool
    assert_hostname: str | bool | None
    tls_server_name: str | None
    ssl_context: "ssl.SSLContext | None"
    allow_http_token: bool
    resolve: Mapping[str, str]
    no_proxy: str | None
    proxy_headers: Mapping[str, str] | None
    proxy_ssl_context: "ssl.SSLContext | None"
    timeout: float | None
    connect_timeout: float | None
    read_timeout: float | None
    max_retries: int
    retries: "int | Retry | None"
    max_response_bytes: int
    connection_pool_maxsize: int
    socket_options: Sequence[tuple[Any, ...]]
    api_version: str | None
    application: tuple[str, str] | None
    on_attempt: "Callable[[Attempt], object] | None"
    access_token: str | Callable[[], str] | None
    key_password: str | None
    proxy: str | None
    debug: bool | None

    _default: ClassVar["Configuration | None"] = None

    _frozen: bool
    _proxy: "Proxy | None"
    _secrets: dict[str, Any]
    _sources: dict[str, str]

    def __init__(
        self,
        host: str | None = None,
        *,
        access_token: str | Callable[[], str] | None = None,
        ssl_ca_cert: "str | os.PathLike[str] | None" = None,
        ca_cert_data: str | bytes | None = None,
        cert_file: "str | os.PathLike[str] | None" = None,
        key_file: "str | os.PathLike[str] | None" = None,
        key_password: str | None = None,
        verify_ssl: bool = True,
        assert_hostname: str | bool | None = None,
        tls_server_name: str | None = None,
        ssl_context: "ssl.SSLContext | None" = None,
        allow_http_token: bool = False,
        resolve: Mapping[str, str] | None = None,
        proxy: str | None = None,
        no_proxy: str | None = None,
        proxy_headers: Mapping[str, str] | None = None,
        proxy_ssl_context: "ssl.SSLContext | None" = None,
        timeout: float | None = TIMEOUT,
        connect_timeout: float | None = CONNECT_TIMEOUT,
        read_timeout: float | None = READ_TIMEOUT,
        max_retries: int | None = None,
        retries: "int | Retry | None" = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        connection_pool_maxsize: int | None = None,
        socket_options: Sequence[tuple[Any, ...]] | None = None,
        api_version: str | None = API_VERSION,
        application: tuple[str, str] | None = None,
        on_attempt: "Callable[[Attempt], object] | None" = None,
        debug: bool | None = None,
        **unknown: Never,
    ) -> None:
        # Done first, so that no traceback frame holds a plain secret.
        host, access_token = masked_setting("host", host), masked(access_token)
        key_password, proxy, proxy_headers = masked(key_password), masked(proxy), masked(proxy_headers)
        if unknown:
            names = list(unknown)
            unknown.clear()
            raise ApiTypeError(no_such_setting(names[0]))
        self._begin(secrets={}, sources={})
        self._set(
            host=host,
            access_token=access_token,
            ssl_ca_cert=ssl_ca_cert,
            ca_cert_data=ca_cert_data,
            cert_file=cert_file,
            key_file=key_file,
            key_password=key_password,
            verify_ssl=verify_ssl,
            assert_hostname=assert_hostname,
            tls_server_name=tls_server_name,
            ssl_context=ssl_context,
            allow_http_token=allow_http_token,
            resolve=resolve,
            proxy=proxy,
            no_proxy=no_proxy,
            proxy_headers=proxy_headers,
            proxy_ssl_context=proxy_ssl_context,
            timeout=timeout,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_retries=max_retries,
            retries=retries,
            max_response_bytes=max_response_bytes,
            connection_pool_maxsize=connection_pool_maxsize,
            socket_options=socket_options,
            api_version=api_version,
            application=application,
            on_attempt=on_attempt,
            debug=debug,
        )
        self._check()

    # Hidden from type checkers, which would otherwise accept any name.
    if not TYPE_CHECKING:

        def __getattr__(self, name):
            if name in SECRETS and name in self._secrets:
                return self._secrets[name]
            raise ApiAttributeError(no_such_setting(name))

        def __setattr__(self, name, value):
            value = masked_setting(name, value)
            if name not in SETTINGS:
                raise ApiAttributeError(no_such_setting(name))
            if self._frozen and name != "access_token":
                message = f"{name} cannot change once a client is made: change a copy, and make a new client from it"
                raise ConfigurationError(message)
            kept = self._secrets if name in SECRETS else self.__dict__
            kept[name] = check_setting(name, DEFAULTS.get(name) if value is None else value)
            self._note_source(name, "argument")
            if name == "debug" and value is not None:
                logging.getLogger("oxide").setLevel(logging.DEBUG if value else logging.WARNING)

    def _begin(self, secrets: dict[str, Any], sources: dict[str, str]) -> None:
        for name, value in {
            "_frozen": False,
            "_proxy": None,
            "_secrets": secrets,
            "_sources": sources,
        }.items():
            object.__setattr__(self, name, value)

    def _set(self, **values: Any) -> None:
        defaults = Configuration.__init__.__kwdefaults__ or {}
        for name, value in values.items():
            setattr(self, name, value)
            if value is defaults.get(name):
                self._note_source(name, "default")

    def __delattr__(self, name: str) -> NoReturn:
        message = f"{name}: a setting cannot be deleted"
        raise ApiAttributeError(message)

    def _check(self) -> None:
        """Raise `ConfigurationError` if settings conflict or name files that cannot be used."""
        if problem := self._conflict():
            raise ConfigurationError(problem)
        if any(getattr(self, name) is not None for name in _TLS_FILES):
            from oxide._identity.tls import build_context

            build_context(self)

    def _conflict(self) -> str | None:
        if self.retries is not None and self._sources["max_retries"] != "default":
            return "max_retries and retries set the same thing: give only one"
        replaced = [name for name in (*_TLS_FILES, "assert_hostname") if getattr(self, name) is not None]
        if not self.verify_ssl:
            replaced.append("verify_ssl=False")
        if self.ssl_context is not None and replaced:
            return f"ssl_context takes the place of {', '.join(replaced)}: give one or the other"
        for name in ("key_file", "key_password"):
            if getattr(self, name) is not None and self.cert_file is None:
                return f"{name} needs cert_file"
        proxy = self._chosen_proxy()
        if proxy is not None and parse_host(self.host).name in self.resolve:
            return (
                f"resolve has no effect on {self.host} behind a proxy ({proxy.source}), which resolves names itself: "
                'leave it out, or set proxy=""'
            )
        return None

    def _freeze(self) -> None:
        """Freeze every setting but `access_token`: a client has been made, and will not read them again."""
        object.__setattr__(self, "_proxy", self._chosen_proxy())
        object.__setattr__(self, "_frozen", True)

    def _note_source(self, name: str, source: str) -> None:
        """Record where the value of a setting came from, for `to_debug_report`."""
        self._sources[name] = source

    def _chosen_proxy(self) -> "Proxy | None":
        """Return the proxy for requests to `host`, from `proxy`, `no_proxy` and the environment.

        Once a client is made, this no longer depends on the environment.
        """
        if self._frozen:
            return self._proxy
        from oxide._identity.proxies import choose_proxy

        return choose_proxy(parse_host(self.host), self.proxy, self.no_proxy)

    @classmethod
    def from_environment(
        cls,
        host: str | None = None,
        token: str | None = None,
        profile: str | None = None,
        config_dir: "str | os.PathLike[str] | None" = None,
        **settings: Any,
    ) -> Self:
        """Return a configuration with the host and token that the official Oxide tools would use.

        Host and token always come from one source, the first of: `host` and `token`; the profile `profile`; a profile
        with the host `host`; `OXIDE_TOKEN` with `OXIDE_HOST`; a profile with the host `OXIDE_HOST`; the profile
        `OXIDE_PROFILE`; the `default-profile` of `config.toml`. An empty variable counts as not set. Profiles are
        those written by `oxide auth login`.

        Args:
            host: where the API is.
            token: the token for `host`; needs `host`.
            profile: the name of a profile.
            config_dir: where `credentials.toml` and `config.toml` are; by default `~/.config/oxide`.
            **settings: any other setting of `Configuration`.

        Raises:
            ConfigurationError: nothing was found, or what was found contradicts itself or cannot be read.
        """
        from oxide._identity.credentials import find_credentials

        host, token = masked_setting("host", host), masked(token)
        mask_settings(settings)
        for name in settings:
            if name not in SETTINGS:
                known = {"token", "profile", "config_dir", *SETTINGS} - {"access_token"}
                raise ApiTypeError(no_such_setting(name, sorted(known)))
        if "access_token" in settings:
            message = "from_environment() takes the token as token=, together with host="
            raise ApiTypeError(message)
        found = find_credentials(host, token, profile, config_dir)
        configuration = cls(found.host, access_token=found.token, **settings)
        configuration._note_source("host", found.source)
        configuration._note_source("access_token", found.source)
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
        """Set what `get_default` returns; None restores the defaults."""
        Configuration._default = default

    def to_debug_report(self) -> str:
        """Return what a bug report needs, without secrets: versions, settings and their sources, proxy, CAs."""
        from oxide._identity.report import debug_report

        return debug_report(self)

    def _shown(self, name: str) -> str:
        value = getattr(self, name)
        if name in SECRETS and value is not None:
            return MASK if value else "''"
        if name == "ca_cert_data" and value is not None:
            return f"<{len(value)} {'bytes' if isinstance(value, bytes) else 'characters'}>"
        if isinstance(value, Mapping):
            return repr(dict(value))
        # The `repr` of a partial or a bound method would show its arguments or object too.
        return f"<{getattr(value, '__qualname__', type(value).__name__)}>" if callable(value) else repr(value)

    def __repr__(self) -> str:
        # A debugger may call this while the constructor is running.
        sources = getattr(self, "_sources", {})
        shown = [
            name for name in SETTINGS if name in sources and (name == "host" or sources[name] != "default")
        ]
        return f"{type(self).__name__}({', '.join(f'{name}={self._shown(name)}' for name in shown)})"

    def __copy__(self) -> Self:
        clone = object.__new__(type(self))
        clone._begin(dict(self._secrets), dict(self._sources))
        clone.__dict__.update(self.__dict__)
        return clone

    # Every value is immutable or, like a callable or an SSLContext, meant to be shared.
    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        if any(self._secrets.values()):
            message = (
                "a Configuration that holds a secret cannot be pickled: build it in the worker that uses it"
            )
            raise ApiTypeError(message)
        empty = {name: "" if value == "" else None for name, value in self._secrets.items()}
        return {**self.__dict__, "resolve": dict(self.resolve), "_sources": self._sources, "_secrets": empty}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(state.pop("_secrets"), state.pop("_sources"))
        self.__dict__.update(state, resolve=MappingProxyType(state["resolve"]))
