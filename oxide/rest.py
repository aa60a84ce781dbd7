"""The transport: what goes to urllib3, and what comes back.

Only this module and these depend on urllib3: `_pool` (its pools and connections), `_wire` (what they do on a
socket), `_failures` (its errors) and `_urllib3_retry` (its `Retry`).
"""

import contextlib
import http.client
import io
import json
import os
import ssl
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import urllib3
from urllib3.exceptions import ClosedPoolError
from urllib3.util.retry import Retry

from oxide._failures import TRANSLATED, translate
from oxide._gunzip import Gunzip
from oxide._hosts import is_loopback, parse_host
from oxide._json_size import json_size_problem
from oxide._pool import close_pool, make_pool
from oxide._tls import trusted_authorities
from oxide._wire import Exchange, exchanging
from oxide.configuration import Configuration
from oxide.exceptions import ApiException, ApiResponseError, ApiValueError

__all__ = ["ApiException", "RESTResponse"]

URLLIB3_VERSION: str = urllib3.__version__  # type: ignore[attr-defined]  # public, but not in its __all__

_PIECE = 2**16
_WHOLE = 64 * 2**20  # bytes to ask for in one read
_CLOSED = "the response is closed, or its ApiClient is"


class _NoTimeout(urllib3.Timeout):
    """A timeout for urllib3 that does nothing: the connections keep their own time."""

    def clone(self) -> Self:
        return self

    def start_connect(self) -> float:
        return 0.0


_NO_TIMEOUT = _NoTimeout(connect=None, read=None)
_NO_RETRIES = Retry(False, redirect=False)  # noqa: FBT003 - urllib3's API


class RESTResponse:
    """An answer with its body still unread; reading keeps to the call's deadline and to `max_response_bytes`.

    Leaving its `with` block, or calling `close`, gives the connection back: for reuse if the whole body has been read,
    else closed. Closing the `ApiClient` closes it too; `data` that was read is kept.

    Attributes:
        status: the HTTP status code.
        reason: the HTTP reason phrase.
        headers: the headers, names compared without case.
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_closed",
        "_describe",
        "_exchange",
        "_gunzip",
        "_in_use",
        "_max_bytes",
        "_response",
        "_size",
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
        self._gunzip = Gunzip() if self._coding() in {"gzip", "x-gzip"} else None
        self._size = 0
        self._body: bytes | None = None
        self._closed = False
        # Never waited for, so that a fork or an interrupt while it is held cannot cause a hang.
        self._in_use = threading.Lock()
        # Adds the details of the call to an exception raised while the body is read.
        self._describe: Callable[[ApiException], None] = lambda _: None
        exchange.status = response.status

    @property
    def data(self) -> bytes:
        """The whole decoded body, or what is left if some has been read; read on first use, and kept."""
        if self._body is None:
            if self._arrives_whole():
                self._body = self._pull(None)
            else:
                # `getvalue` hands over the buffer, whereas joining a list would take twice the memory.
                whole = io.BytesIO()
                while piece := self._pull(_PIECE):
                    whole.write(piece)
                self._body = whole.getvalue()
        return self._body

    def read(self, amt: int | None = None) -> bytes:
        """Return up to `amt` bytes of the decoded body, `b""` at its end; without `amt`, the same as `data`.

        Raises:
            ApiConnectionError: the answer was cut.
            ApiTimeoutError: it did not arrive in time.
            ApiResponseError: it is malformed, or larger than `max_response_bytes`.
            ApiValueError: the response is closed, or was opened before a fork.
        """
        return self.data if amt is None or amt < 0 else self._pull(amt)

    def read1(self, amt: int | None = None) -> bytes:
        """Return what has arrived of the decoded body, up to `amt` bytes; wait only if nothing has."""
        return self._pull(_PIECE if amt is None or amt < 0 else amt, once=True)

    def stream(self, amt: int | None = _PIECE) -> Iterator[bytes]:
        """Yield the decoded body in pieces of up to `amt` bytes."""
        while piece := self._pull(amt if amt is not None and amt > 0 else _PIECE):
            yield piece

    def json(self) -> Any:
        """Return the body as JSON; raise `ApiResponseError` if it is not JSON, or too large to parse."""
        body = self._parsable()
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            message = f"the body is not JSON: {error}"
        raise self._ending(ApiResponseError(self.status, message))

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """Return one header, or `default`."""
        return self.headers.get(name, default)

    def getheaders(self) -> Mapping[str, str]:
        """Return the headers."""
        return self.headers

    def close(self) -> None:
        """Give the connection back; if bytes are unread, close it, since the next answer would begin with them.

        If another thread is reading, that happens when its read ends.
        """
        if not self._closed:
            self._closed = True
            self._give_back()

    release_conn = close

    def _hang_up(self) -> None:
        """Close the connection at once, even while another thread is waiting for more of the body."""
        if not self._closed:
            self._closed = True
            self._exchange.hang_up()
            self._give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RESTResponse {self.status}>"

    def _coding(self) -> str:
        return self.headers.get("content-encoding", "").strip().lower() or "identity"

    def _parsable(self) -> bytes:
        """Return the whole body; raise `ApiResponseError` if it is JSON too large to parse."""
        if problem := json_size_problem(self.data, self._max_bytes):
            raise self._ending(ApiResponseError(self.status, problem))
        return self.data

    def _arrives_whole(self) -> bool:
        length = self._response.length_remaining
        # The announced length need not be true, and may exceed the memory.
        return length is not None and length <= min(self._max_bytes, _WHOLE) and self._coding() == "identity"

    def _pull(self, amt: int | None, *, once: bool = False) -> bytes:
        """Return up to `amt` bytes, or everything for None; with `once`, at most what one read returns."""
        if self._exchange.pid != os.getpid():
            message = "the response was opened before a fork; read it in the parent process"
            raise ApiValueError(message)
        if self._closed:
            raise ApiValueError(_CLOSED)
        if amt == 0:
            return b""
        if not self._in_use.acquire(blocking=False):
            message = "the response is already being read, by another thread or further up the stack"
            raise ApiValueError(message)
        piece, failure = b"", None
        try:
            piece = self._decoded(
                amt if amt is None else min(amt, self._max_bytes + 1, sys.maxsize), once=once
            )
        except TRANSLATED as error:
            failure = translate(error, self._exchange)
        except BaseException as error:
            # Reads of a response that is closed meanwhile fail in many ways.
            if not (self._closed and isinstance(error, Exception)):
                self._hang_up()
                raise
        finally:
            self._in_use.release()
            if self._closed:
                self._give_back()
        if self._closed:
            raise ApiValueError(_CLOSED)
        if failure is not None:
            raise self._ending(failure)
        self._size += len(piece)
        if self._size > self._max_bytes:
            message = f"the answer is larger than max_response_bytes ({self._max_bytes})"
            raise self._ending(ApiResponseError(self.status, message))
        return piece

    def _decoded(self, amt: int | None, *, once: bool) -> bytes:
        pull = self._response.read1 if once else self._response.read
        if amt is not None and self._gunzip is not None:
            return self._gunzip.read(pull, amt)
        if self._coding() != "identity" and self._response.length_remaining != 0:
            message = f"Content-Encoding {self._coding()!r}, but only gzip was requested"
            raise http.client.HTTPException(message)
        return pull(amt)

    def _give_back(self) -> None:
        """Release the connection, unless a read is under way, which then does so when it ends."""
        if not self._in_use.acquire(blocking=False):
            return
        try:
            if self._response.length_remaining == 0 and self._exchange.pid == os.getpid():
                # Even an empty body has to be read before the connection is free for reuse.
                with contextlib.suppress(*TRANSLATED):
                    self._response.read(1)
            self._response.close()
        finally:
            self._in_use.release()

    def _ending(self, failure: ApiException) -> ApiException:
        """Close the connection and return `failure` with the details of the answer and the call."""
        self._hang_up()
        failure.headers = self.headers
        failure.request_id = self.headers.get("x-request-id")
        self._describe(failure)
        return failure


class _Own(NamedTuple):
    """The state of one process, kept together so that no thread sees half of a change."""

    pid: int
    pool: urllib3.HTTPConnectionPool
    handed_out: "weakref.WeakValueDictionary[int, RESTResponse]"


class Transport:
    """Sends requests over one pool of connections; after a fork, the child makes its own.

    Raises `ConfigurationError`, naming the file, if TLS cannot be set up.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._host = parse_host(configuration.host)
        self._proxy = configuration._chosen_proxy()
        forwarding = self._proxy is not None and self._host.scheme == "http"
        # A forwarding proxy gets the whole URL; otherwise the path is enough.
        self._prefix = self._host.url if forwarding else self._host.base_path
        self._own = self._begin()
        self._closed = False

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, exchange: Exchange
    ) -> RESTResponse:
        """Send one request and return its answer, with the body still unread.

        Raises:
            ApiConnectionError: no answer; see `outcome`.
            ApiTimeoutError: no answer in time; see `outcome`.
            ApiResponseError: an answer that is not HTTP.
        """
        try:
            with exchanging(exchange):
                # The pool's `urlopen`, since OpenTelemetry instruments it.
                response = self._of_this_process().pool.urlopen(
                    method,
                    self._prefix + target,
                    body=body,
                    headers=headers,
                    retries=_NO_RETRIES,
                    redirect=False,
                    assert_same_host=False,
                    timeout=_NO_TIMEOUT,
                    preload_content=False,
                    decode_content=False,
                )
        except ClosedPoolError:
            message = "the ApiClient was closed during the call"
            raise ApiValueError(message) from None
        except TRANSLATED as error:
            failure = translate(error, exchange)
        else:
            return RESTResponse(response, exchange, self._configuration.max_response_bytes)
        self._explain(failure, exchange)
        raise failure

    def hand_out(self, response: RESTResponse) -> RESTResponse:
        """Register an answer that the caller will read, so that it closes with the client, and return it."""
        self._of_this_process().handed_out[id(response)] = response
        if self._closed:
            response._hang_up()
        return response

    def close(self) -> None:
        """Close idle connections and the answers handed out; a running call closes its connection when it ends."""
        self._closed = True
        own = self._own
        close_pool(own.pool)
        if own.pid != os.getpid():
            # At the fork, another thread may have been reading one; its lock would be held forever.
            return
        for reference in own.handed_out.valuerefs():
            response = reference()
            if response is not None:
                response._hang_up()

    def _begin(self) -> _Own:
        pool = make_pool(self._configuration, self._host, self._proxy)
        return _Own(os.getpid(), pool, weakref.WeakValueDictionary())

    def _of_this_process(self) -> _Own:
        if self._own.pid != os.getpid():
            # The connections belong to the parent process, which still uses them; dropping the pool closes them
            # here, but sends nothing.
            self._own = self._begin()
        return self._own

    def refusal(self) -> str | None:
        """Return why no credentials may be sent, or None: over plain http they stay on this machine."""
        if self._host.scheme == "https" or self._configuration.allow_http_token:
            return None
        names = [self._host.name] if self._proxy is None else [self._host.name, self._proxy.name]
        resolve = self._configuration.resolve
        exposed = [name for name in names if not is_loopback(resolve.get(name, name))]
        if not exposed:
            return None
        return (
            f"no token or cookie is sent over plain http to {exposed[0]}, where anyone in between could read "
            "it: use https://, or set allow_http_token=True"
        )

    def _explain(self, failure: ApiException, exchange: Exchange) -> None:
        """Add what only the configuration knows: the trusted CAs and the proxy."""
        if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
            # With a forwarding proxy, it is the only TLS peer.
            of_proxy = self._proxy is not None and (exchange.with_proxy or self._host.scheme == "http")
            peer = f"proxy {self._proxy.name!r}" if self._proxy and of_proxy else f"host {self._host.name!r}"
            trusted = trusted_authorities(self._configuration, for_proxy=of_proxy)
            failure.reason = f"{failure.reason} ({peer}; trusted CA certificates: {trusted})"
        if failure.outcome == "not sent" and self._configuration._sources["host"] == "default":
            failure.hint = "host is not set: give it to the Configuration, or use from_environment()"
        if self._proxy is not None and failure.outcome == "not sent":
            failure.reason = f"proxy {self._proxy.url}: {failure.reason}"
