"""A server that records its requests, and a proxy; both are fault servers with a script of their own."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from transport.fault_server import FaultServer, Gone, Peer, Step, http_response, request

EMPTY_PAGE = b'{"items":[],"next_page":null}'
PAGE = http_response(200, EMPTY_PAGE, "Content-Type: application/json")


@dataclass(frozen=True)
class Received:
    """A request as received; header names are in lower case, and the values of one name are in order."""

    method: str
    target: str
    headers: Mapping[str, list[str]]
    certificate: Mapping[str, Any] | None = None

    def header(self, name: str) -> str | None:
        """Return the one value of a header, or None."""
        values = self.headers.get(name, [])
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


@dataclass
class Recorder:
    """The requests that a server received, oldest first; `server_names` are those that clients sent in TLS."""

    url: str = ""
    port: int = 0
    received: list[Received] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)

    @property
    def last(self) -> Received:
        """The latest request."""
        return self.received[-1]

    def record(self, peer: Peer) -> bytes:
        """Read and record one request, and return its bytes."""
        sent = request(peer)
        head = sent.partition(b"\r\n\r\n")[0].decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip(" "))
        certificate = peer.sock.getpeercert() if isinstance(peer.sock, ssl.SSLSocket) else None
        self.received.append(Received(method, target, headers, certificate))
        return sent


@contextmanager
def _serving(step: Step, record: Recorder, host: str, **options: Any) -> Iterator[Recorder]:
    with FaultServer(otherwise=[step], **options) as server:
        record.port = server.port
        record.url = f"{server.url.partition(':')[0]}://{host}:{server.port}"
        yield record


@contextmanager
def recorder(
    tls: ssl.SSLContext | None = None,
    *,
    host: str = "127.0.0.1",
    family: socket.AddressFamily = socket.AF_INET,
) -> Iterator[Recorder]:
    """Run a server that responds to every request with an empty page; `host` is the name in its URL."""
    record = Recorder()

    def serve(peer: Peer) -> None:
        while True:
            record.record(peer)
            peer.sock.sendall(PAGE)

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: record.server_names.append(name)
    with _serving(serve, record, host, tls=tls, family=family):
        yield record


@contextmanager
def proxy(
    addresses: Mapping[str, str], tls: ssl.SSLContext | None = None, *, authorization: str | None = None
) -> Iterator[Recorder]:
    """Run a proxy that forwards plain requests and opens tunnels.

    `addresses` has an address for each host name that it knows; those of other hosts it refuses with 502. Without the
    header `Proxy-Authorization: {authorization}`, where that is given, it responds with 407.
    """
    record = Recorder()

    def serve(peer: Peer) -> None:
        while True:
            sent = record.record(peer)
            latest = record.last
            tunnel = latest.method == "CONNECT"
            place = urlsplit(f"//{latest.target}" if tunnel else latest.target)
            if authorization is not None and latest.header("proxy-authorization") != authorization:
                peer.sock.sendall(http_response(407, b"", "Proxy-Authenticate: Basic"))
            elif place.hostname not in addresses:
                peer.sock.sendall(http_response(502))
            else:
                address = addresses[place.hostname or ""]
                with socket.create_connection((address, place.port or 80)) as upstream:
                    if tunnel:
                        peer.sock.sendall(http_response(200, length=False))
                    else:
                        upstream.sendall(_forwarded(sent, place.netloc))
                    _join(peer.sock, upstream)
                raise Gone

    with _serving(serve, record, "127.0.0.1", tls=tls):
        yield record


def _forwarded(sent: bytes, netloc: str) -> bytes:
    """Return a request as a proxy forwards it: with only the path as target, and without headers for the proxy."""
    head, _, body = sent.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"proxy-")]
    method, target, version = first.split(b" ")
    path = target.partition(netloc.encode())[2]
    return b"\r\n".join([b" ".join([method, path, version]), *kept, b"", b""]) + body


def _join(client: socket.socket, upstream: socket.socket) -> None:
    """Copy bytes in both directions until one side ends."""
    back = threading.Thread(target=_pump, args=(upstream, client))
    back.start()
    _pump(client, upstream)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
