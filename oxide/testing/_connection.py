"""The server's side of one HTTP/1.1 connection: reads requests and sends responses in turn."""

import gzip
import logging
import math
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import h11

from oxide.testing._http_messages import Request, Response
from oxide.testing._reading import BULK_WRITE_BYTES_MAX
from oxide.testing.faults import Drip, Fault, Interim, Truncate

LOGGER: Final = logging.getLogger("oxide.testing")

_READ_BYTES: Final = 65_536
# The largest head that the real service's HTTP library accepts.
_MAX_HEAD_BYTES: Final = 400 * 1024
_NO_BODY_STATUSES: Final = {204, 304}


class ConnectionEnd(Exception):  # noqa: N818 - the normal end of a connection
    """No further request will come, or no further response may be sent."""


class Throttle:
    """Lets something pass once in a while."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._seconds = seconds
        self._clock = clock
        self._next = -math.inf

    def passes(self) -> bool:
        """Return whether `seconds` have passed since this last returned True."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


@dataclass
class Shared:
    """What the connections of one server share: its end, a lock for closing sockets, and a limit on what is logged."""

    stopping: threading.Event = field(default_factory=threading.Event)
    closing: threading.Lock = field(default_factory=threading.Lock)
    not_http: Throttle = field(default_factory=lambda: Throttle(1.0))


class Connection:
    """A connection to one client, used by one thread; `ConnectionEnd` and `OSError` end it."""

    def __init__(self, peer: socket.socket, shared: Shared):
        self._peer = peer
        self._shared = shared
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._is_head_request = False

    def receive(self) -> Request:
        """Return the next request once all of it has arrived."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        elif self._http.our_state is not h11.IDLE:
            self._end_tls()
            raise ConnectionEnd
        try:
            return self._read_request()
        except h11.RemoteProtocolError as error:
            if self._shared.not_http.passes():
                LOGGER.info("a client sent something other than HTTP: %s", error)
            self.send(Response(error.error_status_hint, (("connection", "close"),)))
            raise ConnectionEnd from error

    def send(self, response: Response, fault: Fault | None = None) -> None:
        """Send a response, changed by `fault` if that affects sending."""
        if isinstance(fault, Interim):
            interim = h11.InformationalResponse(status_code=fault.status, headers=list(fault.headers.items()))
            self._peer.sendall(b"".join(self._encode(interim) for _ in range(fault.count)))
        content = gzip.compress(response.body, compresslevel=1) if response.gzip else response.body
        head, body = self._encode_response(response, content)
        if isinstance(fault, Truncate):
            framing = body.find(content)
            self._peer.sendall(head + body[: framing + fault.size])
            raise ConnectionEnd
        if isinstance(fault, Drip):
            at_once, dripped = (head, body) if fault.body_only else (b"", head + body)
            self._peer.sendall(at_once)
            for start in range(0, len(dripped), fault.size):
                self.wait(fault.interval)
                self._peer.sendall(dripped[start : start + fault.size])
        else:
            self._peer.sendall(head + body)

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the simulator runs."""
        if self._shared.stopping.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise ConnectionEnd

    def close(self, *, reset: bool = False) -> None:
        """Close the connection, in order or with a reset; only the first call has an effect."""
        with self._shared.closing, suppress(OSError):
            if reset:
                self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                # The client sees this at once, even if a forked process still has the socket too.
                socket.socket.shutdown(self._peer, socket.SHUT_RDWR)
        with self._shared.closing:
            self._peer.close()

    def _end_tls(self) -> None:
        """Send the TLS closing alert, without waiting for the peer's."""
        if isinstance(self._peer, ssl.SSLSocket):
            self._peer.settimeout(0)
            with suppress(OSError):
                self._peer.unwrap()

    def _read_request(self) -> Request:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._peer.sendall(self._encode(h11.InformationalResponse(status_code=100, headers=[])))
                self._http.receive_data(self._peer.recv(_READ_BYTES))
            elif isinstance(event, h11.Request):
                head = event
                self._is_head_request = event.method == b"HEAD"
            elif isinstance(event, h11.Data):
                # Surplus bytes are read and dropped, so that the client gets as far as reading the response.
                body += event.data[: BULK_WRITE_BYTES_MAX + 1 - len(body)]
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
                return Request(head.method.decode("ascii"), head.target.decode("ascii"), headers, bytes(body))
            else:
                raise ConnectionEnd

    def _encode_response(self, response: Response, content: bytes) -> tuple[bytes, bytes]:
        headers = list(response.headers)
        if not any(name.lower() == "date" for name, _ in headers):
            headers.append(("date", formatdate(usegmt=True)))
        if response.gzip:
            # The service compresses while it sends, so it does not know the length in advance.
            headers += [("content-encoding", "gzip"), ("transfer-encoding", "chunked")]
        elif response.status not in _NO_BODY_STATUSES:
            headers.append(("content-length", str(len(content))))
        head = h11.Response(status_code=response.status, headers=headers, reason=_reason(response.status))
        encoded = self._encode(head)
        body = b""
        if content and not self._is_head_request and response.status not in _NO_BODY_STATUSES:
            body = self._encode(h11.Data(data=content))
        return encoded, body + self._encode(h11.EndOfMessage())

    def _encode(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
