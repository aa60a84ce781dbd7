"""A response whose body is read on demand, within the deadline and the size limit of its call."""

import codecs
import contextlib
import io
import json
import operator
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import urllib3
from typing_extensions import override

from oxide._transport.exchange import Exchange, this_process
from oxide._transport.failures import TRANSLATED, translate
from oxide._transport.gunzip import Gunzip
from oxide.exceptions import ApiException, ApiResponseError, ApiTypeError, ApiValueError

_PIECE_SIZE = 2**16
_MAX_SINGLE_READ = 64 * 2**20  # bytes to ask for in one read
# JSON grows when it is parsed: in `[[],[],…`, every three bytes become a much larger object. Almost every value follows
# one of these, so that counting them bounds the memory; a page of images has one in 25 bytes.
_SEPARATORS = (b",", b"[", b"{")
_BYTES_PER_SEPARATOR = 16
_ALLOWED_SEPARATORS = 2**20  # however small `max_response_bytes` is
_CLOSED = "the response is closed, or its ApiClient is"


def _size(amt: int | None) -> int | None:
    """Return a number of bytes, or None where everything is wanted, which a negative one means too."""
    if amt is None:
        return None
    try:
        size = operator.index(amt)
    except TypeError:
        raise ApiTypeError(f"amt must be an int or None, not {type(amt).__name__}") from None
    return None if size < 0 else size


class RESTResponse:
    """A response with its body still unread; reading keeps to the call's deadline and to `max_response_bytes`.

    Leaving its `with` block, or calling `close`, gives the connection back: for reuse if the whole body has been read,
    else closed. Closing the `ApiClient` closes it too; `data` that was read is kept.

    Attributes:
        status: the HTTP status code.
        reason: the HTTP reason phrase.
        headers: the headers, names compared without case.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, exchange: Exchange, max_bytes: int) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._exchange = exchange
        self._max_bytes = max_bytes
        coding = response.headers.get("content-encoding", "").strip().lower()
        # Any other coding was not asked for: the name is likely to be wrong about plain JSON, which the parser judges.
        # Of an error, whatever has come is of use.
        is_error = not 200 <= response.status < 300
        self._gunzip = Gunzip(lenient=is_error) if coding in {"gzip", "x-gzip"} else None
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
            length = self._response.length_remaining
            # The announced length need not be true, and may exceed the memory.
            limit = min(self._max_bytes, _MAX_SINGLE_READ)
            if length is not None and length <= limit and self._gunzip is None:
                self._body = self._pull(None)
            else:
                # `getvalue` hands over the buffer, whereas joining a list would take twice the memory.
                whole = io.BytesIO()
                while piece := self._pull(_PIECE_SIZE):
                    whole.write(piece)
                self._body = whole.getvalue()
        return self._body

    def read(self, amt: int | None = None) -> bytes:
        """Return up to `amt` bytes of the decoded body, `b""` at its end; without `amt`, the same as `data`.

        Raises:
            ApiConnectionError: the response was cut.
            ApiTimeoutError: it did not arrive in time.
            ApiResponseError: it is malformed, or larger than `max_response_bytes`.
            ApiValueError: the response is closed, or was opened before a fork.
        """
        amt = _size(amt)
        return self.data if amt is None else self._pull(amt)

    def read1(self, amt: int | None = None) -> bytes:
        """Return what has arrived of the decoded body, up to `amt` bytes; wait only if nothing has."""
        amt = _size(amt)
        return self._pull(_PIECE_SIZE if amt is None else amt, once=True)

    def stream(self, amt: int | None = _PIECE_SIZE) -> Iterator[bytes]:
        """Yield the decoded body in pieces of up to `amt` bytes."""
        size = _size(amt) or _PIECE_SIZE
        # Not a generator function, which would find a wrong argument only when the first piece is asked for.
        return iter(lambda: self._pull(size), b"")

    def json(self) -> Any:
        """Return the body as JSON; raise `ApiResponseError` if it is not JSON, or too large to parse."""
        body = self._parsable()
        try:
            return json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            message = f"the body is not JSON: {error}"
        raise self._ending(ApiResponseError(self.status, message))

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """Return one header, or `default`."""
        if not isinstance(name, str):
            raise ApiTypeError(f"getheader: name must be a str, not {type(name).__name__}")
        return self.headers.get(name, default)

    def getheaders(self) -> Mapping[str, str]:
        """Return the headers."""
        return self.headers

    def close(self) -> None:
        """Give the connection back; if bytes are unread, close it, since the next response would begin with them.

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

    @override
    def __repr__(self) -> str:
        return f"<RESTResponse {self.status}>"

    def _parsable(self) -> bytes:
        """Return the whole body, without a byte order mark; raise `ApiResponseError` if it is too large to parse."""
        body = self.data.removeprefix(codecs.BOM_UTF8)
        allowed = max(_ALLOWED_SEPARATORS, self._max_bytes // _BYTES_PER_SEPARATOR)
        if len(body) > allowed and sum(map(body.count, _SEPARATORS)) > allowed:
            message = f"the response has too many JSON values for max_response_bytes ({self._max_bytes})"
            raise self._ending(ApiResponseError(self.status, message))
        return body

    def _pull(self, amt: int | None, *, once: bool = False) -> bytes:
        """Return up to `amt` bytes, or everything for None; with `once`, at most what one read returns."""
        if self._exchange.process != this_process():
            raise ApiValueError("the response was opened before a fork; read it in the parent process")
        if self._closed:
            raise ApiValueError(_CLOSED)
        if amt == 0:
            return b""
        if not self._in_use.acquire(blocking=False):
            raise ApiValueError(
                "the response is already being read, by another thread or further up the stack"
            )
        piece = b""
        failure: Exception | None = None
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
            raise self._ending(failure) if isinstance(failure, ApiException) else failure
        self._size += len(piece)
        if self._size > self._max_bytes:
            message = f"the response is larger than max_response_bytes ({self._max_bytes})"
            raise self._ending(ApiResponseError(self.status, message))
        return piece

    def _decoded(self, amt: int | None, *, once: bool) -> bytes:
        pull = self._response.read1 if once else self._response.read
        if amt is not None and self._gunzip is not None:
            return self._gunzip.read(pull, amt)
        return pull(amt)

    def _give_back(self) -> None:
        """Release the connection, unless a read is under way, which then does so when it ends."""
        if not self._in_use.acquire(blocking=False):
            return
        try:
            if self._response.length_remaining == 0 and self._exchange.process == this_process():
                # Even an empty body has to be read before the connection is free for reuse.
                with contextlib.suppress(*TRANSLATED):
                    self._response.read(1)
            self._response.close()
        finally:
            self._in_use.release()

    def _ending(self, failure: ApiException) -> ApiException:
        """Close the connection and return `failure` with the details of the response and the call."""
        self._hang_up()
        failure.headers = self.headers
        failure.request_id = self.headers.get("x-request-id")
        self._describe(failure)
        return failure


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
