"""The transport: the only module that knows urllib3, whose every error it turns into one of ours."""

import contextlib
import http.client
import io
import json
import os
import queue
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError
from urllib3.util.retry import Retry
from urllib3.util.ssl_match_hostname import CertificateError

from oxide import _retry
from oxide._hosts import is_loopback, parse_host
from oxide._secrets import Headers
from oxide._tls import build_context
from oxide._wire import ConnectError, Exchange, WireConnection, exchanging
from oxide.configuration import Configuration
from oxide.exceptions import (
    ApiConnectionError,
    ApiException,
    ApiResponseError,
    ApiTimeoutError,
    ApiValueError,
    Outcome,
)

__all__ = ["ApiException", "RESTResponse"]

URLLIB3_VERSION: str = urllib3.__version__  # type: ignore[attr-defined]  # public, but not in its __all__

_PIECE = 2**16
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d+)")


class _NoTimeout(urllib3.Timeout):
    """What urllib3 gets for a timeout: the connections keep their own time, so there is nothing to copy or start."""

    def clone(self) -> Self:
        return self

    def start_connect(self) -> float:
        return 0.0


_NO_TIMEOUT = _NoTimeout(connect=None, read=None)
_NO_RETRIES = Retry(False, redirect=False)  # noqa: FBT003 - urllib3's own form


class RESTResponse:
    """An answer whose body is still to be read, within the deadline of its call and up to `max_response_bytes`.

    As a context manager, or by `close`, it gives its connection back: for further use if the body has been read to
    its end, closed otherwise.

    Attributes:
        status: the HTTP status code.
        reason: the HTTP reason phrase.
        headers: the headers, names compared without case.
    """

    __slots__ = (
        "_body",
        "_exchange",
        "_max_bytes",
        "_read",
        "_response",
        "describe",
        "headers",
        "reason",
        "status",
    )

    def __init__(self, response: urllib3.BaseHTTPResponse, exchange: Exchange, max_bytes: int) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._exchange = exchange
        self._max_bytes = max_bytes
        self._read = 0
        self._body: bytes | None = None
        # Tells an exception raised while the body is read which call it belongs to.
        self.describe: Callable[[ApiException], None] = lambda _: None
        exchange.status = response.status

    @property
    def data(self) -> bytes:
        """The whole body, decoded; read at the first use, and kept."""
        if self._body is None:
            self._body = self.read()
        return self._body

    def read(self, amt: int | None = None) -> bytes:
        """Return up to `amt` bytes of the decoded body, or all that is left of it; `b""` at its end.

        Raises:
            ApiConnectionError: the answer was cut.
            ApiTimeoutError: it did not arrive in time.
            ApiResponseError: it is malformed, or larger than `max_response_bytes`.
        """
        if amt is not None:
            return self._pull(amt)
        if not self._read and self._arrives_whole():
            return self._pull(None)
        # `getvalue` hands the buffer over, where joining a list would need the room twice.
        whole = io.BytesIO()
        while piece := self._pull(_PIECE):
            whole.write(piece)
        return whole.getvalue()

    def read1(self, amt: int | None = None) -> bytes:
        """Return what has arrived of the decoded body, up to `amt` bytes; wait only where nothing has."""
        return self._guarded(lambda: self._response.read1(_PIECE if amt is None else amt))

    def stream(self, amt: int = _PIECE) -> Iterator[bytes]:
        """Yield the decoded body in pieces of up to `amt` bytes."""
        while piece := self._pull(amt):
            yield piece

    def json(self) -> Any:
        """Return the body as JSON; raise `ApiResponseError` where it is none."""
        try:
            return json.loads(self.data)
        except ValueError as error:
            message = f"the body is no JSON: {error}"
        raise self._ending(ApiResponseError(self.status, message))

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """Return one header, or `default`."""
        return self.headers.get(name, default)

    def getheaders(self) -> Mapping[str, str]:
        """Return the headers."""
        return self.headers

    def close(self) -> None:
        """Give the connection back: unread bytes close it, since the next answer would begin with them."""
        if self._response.length_remaining == 0 and self._exchange.pid == os.getpid():
            # An empty body has to be read as well before its connection counts as free.
            with contextlib.suppress(ApiException):
                self._pull(_PIECE)
        self._response.close()

    release_conn = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RESTResponse {self.status}>"

    def _arrives_whole(self) -> bool:
        length = self._response.length_remaining
        return length is not None and length <= self._max_bytes and not self.headers.get("content-encoding")

    def _pull(self, amt: int | None) -> bytes:
        return self._guarded(lambda: self._response.read(amt))

    def _guarded(self, pull: Callable[[], bytes]) -> bytes:
        if self._exchange.pid != os.getpid():
            message = "the response was opened in the process that this one was forked from; read it there"
            raise ApiValueError(message)
        try:
            piece, failure = pull(), None
        except TRANSLATED as error:
            piece, failure = b"", translate(error, self._exchange)
        except BaseException:
            self._response.close()
            raise
        if failure is not None:
            raise self._ending(failure)
        self._read += len(piece)
        if self._read > self._max_bytes:
            message = f"the answer is larger than max_response_bytes ({self._max_bytes})"
            raise self._ending(ApiResponseError(self.status, message))
        return piece

    def _ending(self, failure: ApiException) -> ApiException:
        """Close the connection and return `failure`, told what is known of the answer and the call."""
        self._response.close()
        failure.headers = self.headers
        failure.request_id = self.headers.get("x-request-id")
        self.describe(failure)
        return failure


class Transport:
    """Sends requests over one pool of connections; after a fork, the child makes its own.

    Raises `ConfigurationError`, naming the file, where TLS cannot be set up.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._host = parse_host(configuration.host)
        self._proxy = configuration.chosen_proxy()
        forwarding = self._proxy is not None and self._host.scheme == "http"
        # A proxy that forwards is told the whole URL; everyone else just the path.
        self._prefix = self._host.url if forwarding else self._host.base_path
        self._pid = os.getpid()
        self._pool = self._make_pool()

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, exchange: Exchange
    ) -> RESTResponse:
        """Send one request and return its answer, the body still to be read.

        Raises:
            ApiConnectionError: no answer; see `outcome`.
            ApiTimeoutError: no answer in time; see `outcome`.
            ApiResponseError: an answer that is no HTTP.
        """
        pool = self._pool
        if self._pid != os.getpid():
            # Nothing is called on the inherited pool: its connections are the parent's.
            self._inherited, self._pool = pool, self._make_pool()
            self._pid = os.getpid()
            pool = self._pool
        try:
            with exchanging(exchange):
                # `urlopen` of the pool is what OpenTelemetry instruments.
                response = pool.urlopen(
                    method,
                    self._prefix + target,
                    body=body,
                    headers=headers,
                    retries=_NO_RETRIES,
                    redirect=False,
                    assert_same_host=False,
                    timeout=_NO_TIMEOUT,
                    preload_content=False,
                )
        except TRANSLATED as error:
            failure = translate(error, exchange)
        else:
            return self._checked(RESTResponse(response, exchange, self._configuration.max_response_bytes))
        self._explain(failure)
        raise failure

    def close(self) -> None:
        """Close every idle connection; those in use close when they are given back."""
        if self._pid == os.getpid():
            self._pool.close()

    def refusal(self) -> str | None:
        """Return why no credentials may be sent, or None: plain http is for this machine alone."""
        if self._host.scheme == "https" or self._configuration.allow_http_token:
            return None
        target = self._configuration.resolve.get(self._host.name, self._host.name)
        first_hops = [target] if self._proxy is None else [target, self._proxy.name]
        exposed = [name for name in first_hops if not is_loopback(name)]
        if not exposed:
            return None
        return (
            f"no token is sent over plain http to {exposed[0]}, where anybody on the way could read it: "
            "use https://, or set allow_http_token=True"
        )

    def _checked(self, answer: RESTResponse) -> RESTResponse:
        coding = answer.headers.get("content-encoding", "").strip().lower()
        if coding not in {"", "identity", "gzip", "x-gzip"}:
            answer.close()
            message = f"Content-Encoding {coding!r}, where only gzip was asked for"
            raise ApiResponseError(answer.status, message, headers=answer.headers)
        return answer

    def _explain(self, failure: ApiException) -> None:
        """Add what only the configuration knows: which CAs were trusted, which proxy was used."""
        if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
            configuration = self._configuration
            trusted = (
                "those of ssl_context"
                if configuration.ssl_context is not None
                else f"those of ssl_ca_cert {configuration.ssl_ca_cert!r}"
                if configuration.ssl_ca_cert is not None
                else "those of ca_cert_data"
                if configuration.ca_cert_data is not None
                else "the system's"
            )
            failure.reason = (
                f"{failure.reason} (host {self._host.name!r}; trusted CA certificates: {trusted})"
            )
        if self._proxy is not None and failure.outcome == "not sent":
            failure.reason = f"proxy {self._proxy.url}: {failure.reason}"

    def _make_pool(self) -> urllib3.HTTPConnectionPool:
        configuration, host, proxy = self._configuration, self._host, self._proxy
        options: dict[str, Any] = {"num_pools": 1, "maxsize": configuration.connection_pool_maxsize}
        if host.scheme == "https":
            options["ssl_context"] = build_context(configuration)
            options["assert_hostname"] = configuration.assert_hostname
            options["server_hostname"] = configuration.tls_server_name
        if proxy is None:
            manager = urllib3.PoolManager(**options)
        else:
            headers = Headers(configuration.proxy_headers)
            if proxy.authorization is not None:
                headers.setdefault("proxy-authorization", proxy.authorization)
            if proxy.scheme == "https":
                context = configuration.proxy_ssl_context or build_context(configuration, for_proxy=True)
                options["proxy_ssl_context"] = context
            manager = urllib3.ProxyManager(proxy.url, proxy_headers=headers.by_lower_name(), **options)
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        pool = manager.connection_from_host(host.name, host.port, host.scheme)
        own = {"resolve": configuration.resolve, "extra_socket_options": configuration.socket_options}
        kind: Any = type("Connection", (pool.ConnectionCls,), own)
        pool.ConnectionCls = kind
        return pool


class _IdleConnections:
    """A pool's queue without a lock, so that a fork cannot inherit a locked one, and without warnings when full."""

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._connections: deque[WireConnection] = deque()

    def get(self, block: bool = True, timeout: float | None = None) -> WireConnection:  # noqa: ARG002, FBT001, FBT002 - the form of queue.Queue
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, connection: WireConnection | None, block: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - the form of queue.Queue
        if connection is None:
            return
        if len(self._connections) >= self._maxsize:
            connection.close()
        else:
            self._connections.append(connection)

    def qsize(self) -> int:
        return len(self._connections)


class _HTTPConnection(WireConnection, HTTPConnection):
    pass


class _HTTPSConnection(WireConnection, HTTPSConnection):
    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        return _TimedSocket(super()._connect_tls_proxy(hostname, sock), self)


class _TimedSocket:
    """A TLS connection to a proxy, each read of it within the time left.

    What runs inside (TLS within TLS) makes many reads of one, each of which would get the whole time anew.
    """

    def __init__(self, sock: ssl.SSLSocket, connection: WireConnection) -> None:
        self._sock = sock
        self._connection = connection
        sock.settimeout(connection.time_left())

    def recv(self, *arguments: Any) -> bytes:
        self._sock.settimeout(self._connection.time_left())
        return self._sock.recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self._sock.settimeout(self._connection.time_left())
        return self._sock.recv_into(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _HTTPConnection
    QueueCls: Any = _IdleConnections


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = _HTTPSConnection
    QueueCls: Any = _IdleConnections

    def _validate_conn(self, conn: Any) -> None:
        # urllib3 would warn at every call of a client with verify_ssl=False; ours has warned once.
        if conn.is_closed:
            conn.connect()


TRANSLATED = (HTTPError, OSError, http.client.HTTPException)


def translate(error: Exception, exchange: Exchange) -> ApiException:
    """Return the exception that stands for `error`, with its root as the only cause."""
    root, message = _root(error)
    kind: type[ApiException] = ApiConnectionError
    transient = True
    if isinstance(root, TimeoutError):
        kind, message = ApiTimeoutError, _timeout_message(root, exchange, message)
        transient = not exchange.sent and not exchange.is_over()
    elif isinstance(root, ssl.SSLCertVerificationError):
        message, transient = f"TLS: certificate refused: {root.verify_message}", False
    elif isinstance(root, CertificateError):
        message, transient = f"TLS: certificate refused: {root}", False
    elif isinstance(root, ssl.SSLError) and not isinstance(root, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        message, transient = f"TLS: {root.reason or root}", False
        if root.reason in {
            "WRONG_VERSION_NUMBER",
            "RECORD_LAYER_FAILURE",
            "HTTP_REQUEST",
            "UNKNOWN_PROTOCOL",
        }:
            message += " (the other side speaks no TLS: http instead of https?)"
    elif isinstance(root, socket.gaierror):
        message, transient = f"{message}: {root.strerror}", root.errno == socket.EAI_AGAIN
    elif isinstance(root, http.client.RemoteDisconnected):
        message = "the server closed the connection without an answer"
    elif isinstance(root, http.client.IncompleteRead):
        message = "the answer was cut"
    elif isinstance(root, OSError):
        refused = _TUNNEL_REFUSED.search(str(root))
        transient = refused is None or int(refused[1]) in _retry.RETRIED_STATUSES
        message = ": ".join(part for part in (message, root.strerror or str(root)) if part)
    else:
        kind, message, transient = ApiResponseError, f"malformed answer: {root}", False
    outcome: Outcome = (
        "not sent" if not exchange.sent else "unknown" if exchange.status is None else "answered"
    )
    failure = kind(exchange.status, message, outcome=outcome)
    failure.transient = transient
    # The frames of http.client hold the request, token and all; error reporters print the locals of every frame.
    root.__traceback__ = root.__cause__ = root.__context__ = None
    failure.__cause__ = root
    return failure


def _root(error: BaseException) -> tuple[BaseException, str]:
    """Return what lies under `error`, and what a `ConnectError` on the way says of the place."""
    place = ""
    while True:
        if isinstance(error, ConnectError):
            place = str(error)
        inner = (
            next((part for part in error.args if isinstance(part, BaseException)), None) or error.__cause__
        )
        if inner is None:
            return error, place
        error = inner


def _timeout_message(root: TimeoutError, exchange: Exchange, place: str) -> str:
    if root.errno is not None:
        # Not a limit of ours: the system itself gave up.
        return ": ".join(part for part in (place, root.strerror) if part)
    if exchange.is_over():
        return "the time for the whole call is over (timeout)"
    if exchange.connecting:
        where = f" to {place}" if place else ""
        return f"connecting{where} took longer than {exchange.connect_timeout:g} s (connect_timeout)"
    return f"no byte for {exchange.read_timeout:g} s (read_timeout)"


def policy_of(configuration: Configuration) -> _retry.Policy:
    """Return the replay policy that a configuration asks for."""
    retries = configuration.retries
    if isinstance(retries, Retry):
        return Urllib3Policy(retries)
    # A bool is an int: False is none.
    return _retry.DefaultPolicy(configuration.max_retries if retries is None else int(retries))


class Urllib3Policy:
    """The rules of a `urllib3.Retry`, taken as a value."""

    __slots__ = ("_rules",)

    def __init__(self, retry: Retry) -> None:
        self._rules = retry

    def next(self, failure: _retry.Failure, jitter: float) -> "tuple[float, Urllib3Policy] | None":  # noqa: ARG002 - Retry has its own
        """See `oxide._retry.Policy`."""
        rules = self._rules
        if failure.outcome != "not sent" and not self._may_repeat(failure.method):
            return None
        if failure.outcome == "answered" and not failure.transient:
            status = failure.status or 0
            if not rules.is_retry(failure.method, status, failure.retry_after is not None):
                return None
            outcome: dict[str, Any] = {"response": urllib3.HTTPResponse(status=status)}
        elif not failure.transient:
            return None
        else:
            outcome = {"error": ConnectTimeoutError() if failure.outcome == "not sent" else ProtocolError()}
        try:
            following = rules.increment(failure.method, None, **outcome)
        except HTTPError:
            return None
        delay = following.get_backoff_time()
        if failure.retry_after is not None and rules.respect_retry_after_header:
            delay = failure.retry_after
        return (delay, Urllib3Policy(following)) if _retry.fits(delay, failure.time_left) else None

    def _may_repeat(self, method: str) -> bool:
        # Retry's own default counts DELETE as safe to send twice, which nobody asked for here.
        allowed = self._rules.allowed_methods
        if allowed is Retry.DEFAULT_ALLOWED_METHODS:
            return method == "GET"
        return not allowed or method in allowed
