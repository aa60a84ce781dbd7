"""A server that records what it is sent, and a proxy; both on loopback, with or without TLS."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

EMPTY_PAGE = b'{"items":[],"next_page":null}'


@dataclass(frozen=True)
class Received:
    """A request as it came; header names in lower case, values as they are, those of a name in their order."""

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
    """What a server received, oldest first; `server_names` are the names that clients asked for in TLS."""

    url: str
    port: int
    received: list[Received] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)

    @property
    def last(self) -> Received:
        """The latest request."""
        return self.received[-1]


class _Server(ThreadingHTTPServer):
    """An HTTP server whose TLS handshakes are made by the threads of the connections, and may fail."""

    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that turn away in the middle are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self.handle_request()

    def do_POST(self) -> None:
        self.handle_request()

    def do_DELETE(self) -> None:
        self.handle_request()

    def handle_request(self) -> None:
        raise NotImplementedError

    def recorded(self) -> Received:
        headers: dict[str, list[str]] = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        peer = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        return Received(self.command, self.path, headers, peer)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _serving(
    handler: type[_Handler], tls: ssl.SSLContext | None, family: socket.AddressFamily
) -> Iterator[int]:
    kind = type("Server", (_Server,), {"address_family": family, "tls": tls})
    server = kind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def recorder(
    tls: ssl.SSLContext | None = None,
    *,
    host: str = "127.0.0.1",
    family: socket.AddressFamily = socket.AF_INET,
) -> Iterator[Recorder]:
    """Run a server that answers every request with an empty page; `host` is the name in its URL."""
    record = Recorder("", 0)

    class Handler(_Handler):
        def handle_request(self) -> None:
            record.received.append(self.recorded())
            self.body()
            self.answer(200, EMPTY_PAGE, Content_Type="application/json")

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: record.server_names.append(name)
    with _serving(Handler, tls, family) as port:
        record.port = port
        record.url = f"{'https' if tls else 'http'}://{host}:{port}"
        yield record


@contextmanager
def proxy(
    addresses: Mapping[str, str], tls: ssl.SSLContext | None = None, *, authorization: str | None = None
) -> Iterator[Recorder]:
    """Run a proxy that forwards plain requests and opens tunnels.

    `addresses` has an address for each host name that it knows; those of other hosts it refuses with 502. Without the
    header `Proxy-Authorization: {authorization}`, where that is given, it answers 407.
    """
    record = Recorder("", 0)

    class Handler(_Handler):
        def admitted(self, host: str | None) -> bool:
            record.received.append(self.recorded())
            if authorization is not None and self.headers.get("proxy-authorization") != authorization:
                self.body()
                self.answer(407, Proxy_Authenticate="Basic")
            elif host not in addresses:
                self.body()
                self.answer(502)
            else:
                return True
            return False

        def do_CONNECT(self) -> None:
            self.close_connection = True
            host, _, port = self.path.rpartition(":")
            host = host.strip("[]")
            if not self.admitted(host):
                return
            with socket.create_connection((addresses[host], int(port))) as upstream:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(upstream, self.connection))
                back.start()
                _pump(self.connection, upstream)
                back.join()

        def handle_request(self) -> None:
            url = urlsplit(self.path)
            if not self.admitted(url.hostname):
                return
            headers = {
                name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")
            }
            upstream = HTTPConnection(addresses[url.hostname or ""], url.port)
            upstream.set_debuglevel(0)  # a test may set it for all, to see that the client does not follow
            try:
                upstream.request(self.command, self.path.partition(url.netloc)[2], self.body(), headers)
                response = upstream.getresponse()
                self.answer(response.status, response.read(), Content_Type="application/json")
            finally:
                upstream.close()

    with _serving(Handler, tls, socket.AF_INET) as port:
        record.port = port
        record.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield record


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
