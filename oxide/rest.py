"""The transport: what goes to urllib3, and what comes back.

Only this module and its neighbours know urllib3: `_pool` (its pools and connections), `_wire` (what they do on a
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
_WHOLE = 64 * 2**20  # bytes that are asked for at once
_CLOSED = "the response is closed, by itself or with its ApiClient"


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
    its end, closed otherwise. It closes with its `ApiClient` at the latest; a body that has been read whole is kept.

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
        # Never waited for, so that nobody hangs who is forked or interrupted while it is held.
        self._in_use = threading.Lock()
        # Tells an exception raised while the body is read which call it belongs to.
        self._describe: Callable[[ApiException], None] = lambda _: None
        exchange.status = response.status

    @property
    def data(self) -> bytes:
        """The whole body, decoded; read at the first use, and kept. What is left of it, where some has been read."""
        if self._body is None:
            if self._arrives_whole():
                self._body = self._pull(None)
            else:
                # `getvalue` hands the buffer over, where joining a list would need the room twice.
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
        """Return what has arrived of the decoded body, up to `amt` bytes; wait only where nothing has."""
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
        """Give the connection back: unread bytes close it, since the next answer would begin with them.

        Where another thread is reading, that happens at the end of its read.
        """
        if not self._closed:
            self._closed = True
            self._give_back()

    release_conn = close

    def _hang_up(self) -> None:
        """Close at once, also under another thread that waits for more of the body; the connection is lost."""
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
        """Return the whole body, unless it is JSON that grows out of all proportion."""
        if problem := json_size_problem(self.data, self._max_bytes):
            raise self._ending(ApiResponseError(self.status, problem))
        return self.data

    def _arrives_whole(self) -> bool:
        length = self._response.length_remaining
        # What is announced need not come; there may not even be the memory for it.
        return length is not None and length <= min(self._max_bytes, _WHOLE) and self._coding() == "identity"

    def _pull(self, amt: int | None, *, once: bool = False) -> bytes:
        """Return up to `amt` bytes, or everything for None; with `once`, no more than one read gives."""
        if self._exchange.pid != os.getpid():
            message = "the response was opened in the process that this one was forked from; read it there"
            raise ApiValueError(message)
        if self._closed:
            raise ApiValueError(_CLOSED)
        if amt == 0:
            return b""
        if not self._in_use.acquire(blocking=False):
            message = "the response is being read already, by another thread or further up in this one"
            raise ApiValueError(message)
        piece, failure = b"", None
        try:
            piece = self._decoded(
                amt if amt is None else min(amt, self._max_bytes + 1, sys.maxsize), once=once
            )
        except TRANSLATED as error:
            failure = translate(error, self._exchange)
        except BaseException as error:
            # A response that is closed meanwhile fails in many ways.
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
            message = f"Content-Encoding {self._coding()!r}, where only gzip was asked for"
            raise http.client.HTTPException(message)
        return pull(amt)

    def _give_back(self) -> None:
        """Let go of the connection, unless a read is under way, which does so at its end."""
        if not self._in_use.acquire(blocking=False):
            return
        try:
            if self._response.length_remaining == 0 and self._exchange.pid == os.getpid():
                # An empty body has to be read as well before its connection counts as free.
                with contextlib.suppress(*TRANSLATED):
                    self._response.read(1)
            self._response.close()
        finally:
            self._in_use.release()

    def _ending(self, failure: ApiException) -> ApiException:
        """Close the connection and return `failure`, told what is known of the answer and the call."""
        self._hang_up()
        failure.headers = self.headers
        failure.request_id = self.headers.get("x-request-id")
        self._describe(failure)
        return failure


class _Own(NamedTuple):
    """What belongs to one process, in one piece, so that no thread sees half of a change."""

    pid: int
    pool: urllib3.HTTPConnectionPool
    handed_out: "weakref.WeakValueDictionary[int, RESTResponse]"


class Transport:
    """Sends requests over one pool of connections; after a fork, the child makes its own.

    Raises `ConfigurationError`, naming the file, where TLS cannot be set up.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._host = parse_host(configuration.host)
        self._proxy = configuration._chosen_proxy()
        forwarding = self._proxy is not None and self._host.scheme == "http"
        # A proxy that forwards is told the whole URL; everyone else just the path.
        self._prefix = self._host.url if forwarding else self._host.base_path
        self._own = self._begin()
        self._closed = False

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, exchange: Exchange
    ) -> RESTResponse:
        """Send one request and return its answer, the body still to be read.

        Raises:
            ApiConnectionError: no answer; see `outcome`.
            ApiTimeoutError: no answer in time; see `outcome`.
            ApiResponseError: an answer that is no HTTP.
        """
        try:
            with exchanging(exchange):
                # `urlopen` of the pool is what OpenTelemetry instruments.
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
        """Return an answer that the caller is to read, and that closes with the client at the latest."""
        self._of_this_process().handed_out[id(response)] = response
        if self._closed:
            response._hang_up()
        return response

    def close(self) -> None:
        """Close the idle connections and the answers handed out; a connection of a call closes when that ends."""
        self._closed = True
        own = self._own
        close_pool(own.pool)
        if own.pid != os.getpid():
            # Another thread may have been reading one when this process was forked, and hold its lock for ever.
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
            # The connections are those of the process that this one was forked from, which goes on using them; to
            # close them here, as dropping the pool does, sends nothing.
            self._own = self._begin()
        return self._own

    def refusal(self) -> str | None:
        """Return why no credentials may be sent, or None: plain http is for this machine alone."""
        if self._host.scheme == "https" or self._configuration.allow_http_token:
            return None
        names = [self._host.name] if self._proxy is None else [self._host.name, self._proxy.name]
        resolve = self._configuration.resolve
        exposed = [name for name in names if not is_loopback(resolve.get(name, name))]
        if not exposed:
            return None
        return (
            f"neither token nor cookie is sent over plain http to {exposed[0]}, where anybody on the way could read "
            "it: use https://, or set allow_http_token=True"
        )

    def _explain(self, failure: ApiException, exchange: Exchange) -> None:
        """Add what only the configuration knows: which CAs were trusted, which proxy was used."""
        if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
            # A proxy that forwards is all that there is TLS with.
            of_proxy = self._proxy is not None and (exchange.with_proxy or self._host.scheme == "http")
            peer = f"proxy {self._proxy.name!r}" if self._proxy and of_proxy else f"host {self._host.name!r}"
            trusted = trusted_authorities(self._configuration, for_proxy=of_proxy)
            failure.reason = f"{failure.reason} ({peer}; trusted CA certificates: {trusted})"
        if failure.outcome == "not sent" and self._configuration._sources["host"] == "default":
            failure.hint = "host is not set: give it to the Configuration, or use from_environment()"
        if self._proxy is not None and failure.outcome == "not sent":
            failure.reason = f"proxy {self._proxy.url}: {failure.reason}"
