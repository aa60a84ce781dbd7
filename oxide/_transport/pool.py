"""Makes urllib3's pool for a host or proxy, with our connections and without locks or warnings."""

import queue
import socket
import ssl
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import urllib3
from typing_extensions import override
from urllib3 import connection
from urllib3.util.ssltransport import SSLTransport

from oxide._identity.hosts import Host
from oxide._identity.proxies import Proxy
from oxide._identity.secrets import Headers
from oxide._identity.tls import Tls
from oxide._transport.connection import WireConnection
from oxide._transport.recording import genuine, recorded
from oxide.configuration import Configuration


def make_pool(
    configuration: Configuration, tls: Tls, host: Host, proxy: Proxy | None
) -> urllib3.HTTPConnectionPool:
    """Return a pool of connections to `host`, through `proxy` if there is one."""
    # urllib3 would fill the queue with a placeholder for every connection that it may hold.
    options: dict[str, Any] = {"num_pools": 1, "maxsize": 1}
    if host.scheme == "https":
        options["ssl_context"] = tls.host_context()
        own_context = configuration.ssl_context
        # Unless told otherwise, urllib3 checks the name itself where the context does not.
        unchecked = own_context is not None and not own_context.check_hostname
        options["assert_hostname"] = False if unchecked else configuration.assert_hostname
        options["server_hostname"] = configuration.tls_server_name
    if proxy is None:
        manager = urllib3.PoolManager(**options)
    else:
        given: Headers | None = configuration._kept("proxy_headers")
        headers: dict[str, Any] = {} if given is None else given.by_lower_name()
        if proxy.authorization is not None:
            headers.setdefault("proxy-authorization", proxy.authorization)
        if proxy.scheme == "https":
            context = tls.context_for_proxy()
            options["proxy_ssl_context"] = context
            # urllib3 before 2.8 uses this one instead if the proxy forwards.
            options.setdefault("ssl_context", context)
        manager = urllib3.ProxyManager(proxy.url, proxy_headers=headers, **options)
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    pool = manager.connection_from_host(host.name, host.port, host.scheme)
    idle: Any = pool.pool
    idle.maxsize = configuration.connection_pool_maxsize
    own = {"resolve": configuration.resolve, "extra_socket_options": configuration.socket_options}
    wired: Any = pool
    wired.connection_class = type("Connection", (wired.connection_class,), own)
    return pool


def close_pool(pool: urllib3.HTTPConnectionPool) -> None:
    """Close the idle connections of a pool now, and those in use when they are returned."""
    idle: Any = pool.pool
    pool.close()
    if idle is not None:
        idle.close()


class _IdleConnections:
    """A pool's queue without a lock, so that a fork cannot inherit a locked one, and without warnings when full."""

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self._connections: deque[WireConnection] = deque()

    def get(self, block: bool = True, timeout: Any = None) -> WireConnection:  # noqa: ARG002, FBT001, FBT002 - as in queue.Queue
        """Return the connection used last that may be used now; `timeout` is the exchange that asks for one."""
        while self._connections:
            # Another thread may have taken it.
            with suppress(IndexError):
                connection = self._connections.pop()
                if timeout is None or connection.is_kept(timeout):
                    return connection
                connection.close()
        raise queue.Empty

    def put(self, connection: WireConnection | None, block: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - as in queue.Queue
        if connection is None:
            return
        self._connections.append(connection)
        self._close_surplus()

    def qsize(self) -> int:
        return len(self._connections)

    def close(self) -> None:
        """Close all connections, including those returned later."""
        self.maxsize = 0
        self._close_surplus()

    def _close_surplus(self) -> None:
        while len(self._connections) > self.maxsize:
            # Another thread may have taken it.
            with suppress(IndexError):
                self._connections.popleft().close()


if TYPE_CHECKING:
    from urllib3.connection import HTTPSConnection
else:
    HTTPSConnection = genuine(connection.HTTPSConnection)


class _HTTPSConnection(WireConnection, HTTPSConnection):
    @override
    def connect(self) -> None:
        super().connect()
        sock: Any = self.sock
        # Otherwise, a response without a length that is cut would pass for whole.
        sock.suppress_ragged_eofs = False

    @override
    def has_unread(self) -> bool:
        sock: Any = self.sock
        while isinstance(sock, SSLTransport):
            if sock.sslobj.pending() or sock.incoming.pending:
                return True
            sock = sock.socket
        # While a tunnel is being opened, it may still be a plain socket.
        return hasattr(sock, "pending") and sock.pending() > 0

    @override
    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        # urllib3 before 2.8 would apply the host's settings here.
        proxy: Any = self.proxy_config
        self.exchange.with_proxy = True
        secured = proxy.ssl_context.wrap_socket(sock, server_hostname=hostname.strip("[]"))
        self.exchange.with_proxy = False
        return _TimedSocket(secured, self)


class _TimedSocket:
    """A TLS connection to a proxy that limits each operation to the time left.

    TLS within TLS turns one read into many, each of which would otherwise get the full time again.
    """

    socket: ssl.SSLSocket

    def __init__(self, sock: ssl.SSLSocket, connection: WireConnection) -> None:
        self.__dict__.update(socket=sock, _connection=connection)

    def _timed(self) -> ssl.SSLSocket:
        self.socket.settimeout(self._connection.exchange.time_left())
        return self.socket

    def recv(self, *arguments: Any) -> bytes:
        return self._timed().recv(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._timed().sendall(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)

    # `SSLTransport` counts the files that keep the socket open in an attribute of the socket.
    @override
    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.socket, name, value)


class _HTTPPool(urllib3.HTTPConnectionPool):
    """A pool that makes connections of ours."""

    QueueCls: Any = _IdleConnections
    connection_class: Any = WireConnection

    # Hidden from type checkers, for which a property cannot take the place of an attribute.
    if not TYPE_CHECKING:

        @property
        def ConnectionCls(self):  # noqa: N802 - urllib3's name
            """The class of new connections; while vcrpy has replaced urllib3's, one that records too."""
            usual = super().ConnectionCls
            if usual.__module__ == "urllib3.connection":
                return self.connection_class
            return recorded(usual, self.connection_class)

    # What would be the seconds to wait for a connection is the exchange. A thread-local instead would not do, since
    # greenlets may share a thread.
    @override
    def _get_conn(self, timeout: Any = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        connection.exchange = timeout
        return connection


class _HTTPSPool(_HTTPPool, urllib3.HTTPSConnectionPool):
    connection_class = _HTTPSConnection

    @override
    def _validate_conn(self, conn: Any) -> None:
        # With verify_ssl=False urllib3 would warn at every call; the client has already warned once.
        if conn.is_closed:
            conn.connect()
