"""The class `Simulator`: starts and stops the service, and is its interface for tests."""

import re
import ssl
from collections.abc import Callable
from datetime import datetime
from os import PathLike
from typing import Any, Final, Self, TypeVar, get_args

from typing_extensions import override

from oxide.configuration import Configuration
from oxide.testing._api_version import NEWEST_API_VERSION, ApiVersion
from oxide.testing._application import TOKEN_PREFIX, Application
from oxide.testing._clock import utc_now
from oxide.testing._contents import Contents, ImageValues, new_token
from oxide.testing._exchange import Exchange, FaultQueue
from oxide.testing._journal import Journal, ReceivedRequest
from oxide.testing._routing import Operation
from oxide.testing._server import Server
from oxide.testing._service.sagas import resume
from oxide.testing._store import Store
from oxide.testing.faults import Fault

__all__ = ["PORT_MAX", "ImageValues", "Simulator"]

PORT_MAX: Final = 65535
_ADMIN: Final = "admin"
_TOKEN: Final = re.compile(re.escape(TOKEN_PREFIX) + r"[!-~]+")
# A simulator may listen on every address, but clients send a token over plain HTTP only to loopback.
_REACHED_AT: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only mapped

_T = TypeVar("_T")


class Simulator(Contents):
    """An Oxide images service of one silo, over real HTTP on this machine.

    It listens from `start()` to `stop()`, or for the duration of a `with` block, and leaves no thread or socket behind.
    Its methods may be called from any thread.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        database: the file to keep everything in; None keeps it in memory, until `stop()`.
        tls: an `ssl.SSLContext`, or True for a new certificate, which `configuration()` trusts.
        max_api_version: the newest API version that is served; requests for newer ones are refused.
        clock: returns the time for new and changed images, as an aware datetime; may be assigned later.
        token: the token of the silo's administrator, beginning with `oxide-token-`; None takes the database's, or
            else a new one.

    Raises:
        ValueError: `max_api_version` is not a version, or `token` is not a token.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        database: str | PathLike[str] | None = None,
        *,
        tls: ssl.SSLContext | bool | None = None,
        max_api_version: str = NEWEST_API_VERSION,
        clock: Callable[[], datetime] = utc_now,
        token: str | None = None,
    ):
        if token is not None and not _TOKEN.fullmatch(token):
            message = f"a token must be {TOKEN_PREFIX!r} followed by ASCII letters, digits or punctuation"
            raise ValueError(message)
        if not 0 <= port <= PORT_MAX:
            message = f"port must be from 0 to {PORT_MAX}, not {port}"
            raise ValueError(message)
        self.clock = clock
        self._host = host
        self._port = port
        self._database = database
        self._tls = tls
        self._ca_certificate: str | None = None
        self._max_api_version = ApiVersion.parse(max_api_version)
        self._given_token = token
        self._token = ""
        self._store: Store | None = None
        self._server: Server | None = None
        self._faults = FaultQueue()
        self._journal = Journal()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @override
    def __repr__(self) -> str:
        server, count = self._server, self._journal.count
        if server is None:
            return f"<Simulator on {self._host}: stopped, {count} requests>"
        return (
            f"<Simulator at {self._url(server)}: running, {count} requests, {server.connections} connections>"
        )

    def start(self) -> None:
        """Start listening; a stopped simulator can be started again, with no faults and no recorded requests."""
        if self._server is not None:
            message = "the simulator is already running"
            raise RuntimeError(message)
        server = Server(self._host, self._port, self._tls_context())
        try:
            store = Store(self._database)
        except BaseException:
            server.stop()
            raise
        try:
            with store.transaction():
                self._token = self._given_token or store.users.token(_ADMIN) or new_token()
                store.users.set(_ADMIN, self._token, "admin")
                resume(store)
            self._faults, self._journal = FaultQueue(), Journal()
            application = Application(store, lambda: self.clock(), self._max_api_version)
            server.start(Exchange(application, self._faults, self._journal).serve)
        except BaseException:
            server.stop()
            store.close()
            raise
        self._server, self._store = server, store

    def stop(self) -> None:
        """Stop listening, end every connection and close the database; do nothing if not running."""
        server, self._server = self._server, None
        store, self._store = self._store, None
        if server is not None and store is not None:
            server.stop()
            store.close()

    @property
    def url(self) -> str:
        """The URL to reach it from this machine, without a trailing slash."""
        return self._url(self._running(self._server))

    @property
    def token(self) -> str:
        """The token of the silo's administrator, who may do everything."""
        self._running(self._server)
        return self._token

    @property
    def ca_certificate(self) -> str | None:
        """The certificate to trust, as PEM, if one was made; else None."""
        return self._ca_certificate

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests received since the start, oldest first; the last 10,000 of them."""
        return self._journal.snapshot()

    def wait_for_requests(self, count: int, timeout: float = 10.0, *, answered: bool = True) -> None:
        """Wait until `count` requests since the start have had a response or were dropped.

        This is for requests whose response nobody waits for. With `answered=False` it is enough that they have arrived.
        Raises `TimeoutError` after `timeout` seconds.
        """
        if not self._journal.wait(count, timeout, finished=answered):
            message = f"fewer than {count} requests within {timeout} s"
            raise TimeoutError(message)

    def configuration(self, **settings: Any) -> Configuration:
        """Return a client configuration for this simulator and its administrator, with `settings` on top."""
        if self._ca_certificate is not None:
            settings = {"ca_cert_data": self._ca_certificate, **settings}
        return Configuration(**{"host": self.url, "access_token": self.token, **settings})

    def fail_next(self, fault: Fault, times: int = 1, operation: Operation | None = None) -> None:
        """Make the next `times` requests suffer `fault`; with `operation`, only requests of that operation count.

        Faults queue up: each request suffers the oldest that applies to it. See `oxide.testing.faults`.
        """
        if not isinstance(fault, Fault):
            message = f"fault must be a fault of oxide.testing, such as Drop(), not {fault!r}"
            raise TypeError(message)
        if not isinstance(times, int) or times < 1:
            message = f"times must be a whole number of at least 1, not {times!r}"
            raise ValueError(message)
        if operation not in {None, *get_args(Operation)}:
            message = f"operation must be one of {', '.join(get_args(Operation))}, not {operation!r}"
            raise ValueError(message)
        self._running(self._server)
        self._faults.add(fault, times, operation)

    def clear_faults(self) -> None:
        """Forget the pending faults."""
        self._faults.clear()

    def _url(self, server: Server) -> str:
        name = _REACHED_AT.get(self._host, self._host)
        host = f"[{name}]" if ":" in name else name
        return f"{'https' if self._tls else 'http'}://{host}:{server.port}"

    def _tls_context(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        if isinstance(self._tls, ssl.SSLContext):
            return self._tls
        import trustme

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        authority.issue_cert(self._host, "localhost", "127.0.0.1", "::1").configure_cert(context)
        self._ca_certificate = authority.cert_pem.bytes().decode("ascii")
        return context

    @override
    def _running_store(self) -> Store:
        return self._running(self._store)

    @staticmethod
    def _running(part: _T | None) -> _T:
        if part is None:
            message = "the simulator is not running: use `with Simulator() as simulator` or call `start()`"
            raise RuntimeError(message)
        return part
