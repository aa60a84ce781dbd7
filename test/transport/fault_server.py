"""A server on loopback that follows a script, connection by connection, byte by byte.

A script is a list of steps, each a function of the `Peer` that has connected. When it has run, the connection is
closed. Nothing here waits for time to pass: a step that stalls lasts until the client, or the test, is gone.
"""

import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Self, TypeAlias

Step: TypeAlias = Callable[["Peer"], object]
Script: TypeAlias = Sequence[Step]


class Gone(Exception):  # noqa: N818 - no error, but the usual end of a script
    """The client has closed the connection."""


class Peer:
    """One connection, seen from the server, and what it has sent."""

    def __init__(self, server: "FaultServer", sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number

    def receive(self) -> bytes:
        """Return some bytes; raise `Gone` if there are no more."""
        data = self.sock.recv(65536)
        if not data:
            raise Gone
        return data

    def secure(self, context: ssl.SSLContext) -> None:
        """Begin TLS."""
        plain = self.sock
        self.sock = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.server.replace(plain, self.sock)
        self.sock.do_handshake()


class FaultServer:
    """Serves one script for each connection, in the order in which they are made.

    Further connections run the script `otherwise`. `requests` are the requests read so far, each with the number of its
    connection, counted from 1. Leaving the context closes everything, and raises what a step has raised.
    """

    def __init__(
        self,
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        otherwise: Script = (),
        listening: bool = True,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> None:
        self._scripts = scripts
        self._otherwise = otherwise
        self._tls = tls
        address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.socket(family)
        self._listener.bind((address, 0))
        self._listening = listening
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self.connections = 0
        self.requests: list[tuple[int, bytes]] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._problems: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        if self._listening:
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.refuse()
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a script goes on after its server is closed"
        if self._problems:
            raise self._problems[0]

    def listen(self) -> None:
        """Accept connections, which have been refused so far."""
        self._listener.listen(128)
        self._start(self._accept)

    def refuse(self) -> None:
        """Refuse further connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def methods(self) -> list[str]:
        """Return the methods of the requests read so far."""
        return [request.split(b" ", 1)[0].decode() for _, request in self.requests]

    def replace(self, old: socket.socket, new: socket.socket | None = None) -> None:
        """Remember which sockets are open."""
        with self._lock:
            self._open.discard(old)
            if new is not None:
                self._open.add(new)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            # Otherwise a response waits until the client has acknowledged the end of the TLS handshake.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(sock)
                self.connections += 1
            self._start(self._serve, sock, self.connections)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, name="fault-server")
        self._threads.append(thread)
        thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        script = self._scripts[number - 1] if number <= len(self._scripts) else self._otherwise
        peer = Peer(self, sock, number)
        try:
            if self._tls is not None:
                peer.secure(self._tls)
            for step in script:
                step(peer)
        except (Gone, OSError):
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the server is closed
            self._problems.append(error)
        finally:
            self.replace(peer.sock)
            peer.sock.close()


def request(peer: Peer) -> bytes:
    """Read one request with its body, record it and return it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += peer.receive()
    text = head + b"\r\n\r\n" + body
    peer.server.requests.append((peer.number, text))
    return text


def arrival(peer: Peer) -> None:
    """Wait until some of a request has arrived, and read none of it."""
    peer.sock.recv(1, socket.MSG_PEEK)


def part_of_request(peer: Peer) -> None:
    """Read some bytes of a request, and leave the rest."""
    peer.sock.recv(1)


def send(data: bytes | Iterable[bytes]) -> Step:
    """Send bytes, or pieces of bytes one by one, until the client is gone."""

    def step(peer: Peer) -> None:
        for piece in (data,) if isinstance(data, bytes) else data:
            peer.sock.sendall(piece)

    return step


def stall(peer: Peer) -> None:
    """Send nothing until the client or the server closes the connection."""
    while peer.sock.recv(65536):
        pass


def reset(peer: Peer) -> None:
    """Reset the connection."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()
    raise Gone


def close_notify(peer: Peer) -> None:
    """Send the closing alert of TLS; a connection that is closed without it may have been truncated."""
    sock: Any = peer.sock
    sock.setblocking(False)
    # It does not wait for the client's closing alert.
    with suppress(ssl.SSLWantReadError):
        sock.unwrap()


def until_released(peer: Peer) -> None:
    """Wait until the test sets `server.released`."""
    assert peer.server.released.wait(30)


def always(*steps: Step) -> Step:
    """Repeat the steps until the client is gone."""

    def step(peer: Peer) -> None:
        while True:
            for each in steps:
                each(peer)

    return step


def drip(data: bytes, tick: Callable[[], object] | None = None) -> Step:
    """Send byte by byte, with a call of `tick` before each; without `tick`, fifty bytes a second."""

    def step(peer: Peer) -> None:
        for byte in data:
            if tick is not None:
                tick()
            elif peer.server.released.wait(0.02):
                return
            peer.sock.sendall(bytes([byte]))

    return step


def respond(make: Callable[[bytes], bytes]) -> Step:
    """Respond to each request with what `make` makes of it."""

    def step(peer: Peer) -> None:
        while True:
            peer.sock.sendall(make(request(peer)))

    return step


def do(function: Callable[[], Any]) -> Step:
    """Call a function of the test."""
    return lambda _: function()


def handshake(context: ssl.SSLContext) -> Step:
    """Begin TLS, as a server behind a proxy's CONNECT does."""
    return lambda peer: peer.secure(context)


class InnerTls:
    """TLS over any connection, which may be TLS itself; handshake or records may be slow, byte by byte."""

    def __init__(
        self, peer: Peer, context: ssl.SSLContext, *, slow_handshake: bool, slow_records: bool
    ) -> None:
        self._peer = peer
        self.carrier = peer.sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._slow = slow_handshake
        self._run(self._tls.do_handshake)
        self._slow = slow_records

    def _run(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        while True:
            try:
                result = operation(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                data = self.carrier.recv(65536)
                if not data:
                    raise Gone from None
                self._incoming.write(data)
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        data = self._outgoing.read()
        if not self._slow:
            self.carrier.sendall(data)
            return
        for byte in data:
            if self._peer.server.released.wait(0.02):
                raise Gone
            self.carrier.sendall(bytes([byte]))

    def recv(self, size: int) -> bytes:
        """Return what has arrived."""
        data: bytes = self._run(self._tls.read, size)
        return data

    def sendall(self, data: bytes) -> None:
        """Send the bytes in one record, or in more if necessary."""
        self._run(self._tls.write, data)

    def send_together(self, *pieces: bytes) -> None:
        """Send each piece in a record of its own, and all of them at once."""
        for piece in pieces:
            self._tls.write(piece)
        self._flush()

    def close(self) -> None:
        """Send the closing alert, and close the connection underneath."""
        self._slow = False
        with suppress(OSError):
            self._tls.unwrap()
        with suppress(OSError):
            self._flush()
        self._peer.server.replace(self.carrier)
        self.carrier.close()


def inner_handshake(
    context: ssl.SSLContext, *, slow_handshake: bool = False, slow_records: bool = False
) -> Step:
    """Begin TLS within the existing connection."""

    def step(peer: Peer) -> None:
        inner: Any = InnerTls(peer, context, slow_handshake=slow_handshake, slow_records=slow_records)
        peer.sock = inner

    return step


def http_response(
    status: int = 200, body: bytes = b"", *headers: str, reason: str = "Reason", length: bool = True
) -> bytes:
    """Return a response, framed by its length unless `length` is false."""
    lines = [f"HTTP/1.1 {status} {reason}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, *headers: str, size: int = 7, status: int = 200) -> bytes:
    """Return a response in chunks of `size` bytes."""
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = http_response(status, b"", *headers, "Transfer-Encoding: chunked", length=False)
    return head + coded + b"0\r\n\r\n"


def gzipped(body: bytes, *headers: str, status: int = 200) -> bytes:
    """Return a response with a gzip body."""
    return http_response(status, gzip.compress(body, mtime=0), *headers, "Content-Encoding: gzip")
