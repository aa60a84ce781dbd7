"""Many calls from many threads against a server that fails at random: `PYTHONPATH=test python -m transport.soak`.

The server, a process of its own, notes what arrives and what it acts upon. In the end that must be what the client says:
nothing acknowledged is lost, no write was sent twice, every response belongs to its request, every failure is one of
ours, and no socket, thread or memory is left behind.
"""

import argparse
import gc
import gzip
import multiprocessing
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from core_support import NEW_IMAGE

import oxide
from transport.calls import image, open_sockets
from transport.fault_server import (
    FaultServer,
    Gone,
    Peer,
    chunked,
    gzipped,
    http_response,
    request,
    reset,
    stall,
)

CAP: Final = 20_000
OPERATIONS: Final = ("create", "delete", "demote", "list", "promote", "view")
READS: Final = {"list", "view"}
# What a call came to, as far as the client knows.
DONE, REFUSED, ACTED, UNKNOWN, NOT_SENT = range(1, 6)


class Service:
    """A server that fails at random, and counts what arrives and what it acts on, by the number of the call."""

    def __init__(self, calls: int, seed: int) -> None:
        self.arrived, self.acted = bytearray(calls), bytearray(calls)
        self._lock = threading.Lock()
        self._seed = seed

    def serve(self, peer: Peer) -> None:
        """Serve one connection."""
        chance = random.Random(self._seed + peer.number)
        if chance.random() < 0.02:
            reset(peer)
        while True:
            text = request(peer)
            line, _, head = text.partition(b"\r\n")
            method, target, _ = line.decode().split(" ")
            number = int(head.partition(b"x-call: ")[2].partition(b"\r\n")[0])
            with self._lock:
                self.arrived[number] += 1

            def act(number: int = number) -> None:
                with self._lock:
                    self.acted[number] += 1

            status, body = result(method, target.partition("?")[0], number)
            fault = chance.choices(list(FAULTS), list(FAULTS.values()))[0]
            fault(peer, status, body, act)


def result(method: str, path: str, number: int) -> tuple[int, bytes]:
    """Return status and body of the response; the image has the number of the call."""
    if method == "DELETE":
        return 204, b""
    found = image(f"call-{number}")
    if method == "GET" and path == "/v1/images":
        return 200, b'{"next_page": null, "items": [' + found + b"]}"
    return (200 if method == "GET" else 201), found


Fault = Callable[[Peer, int, bytes, Callable[[], None]], None]


def replying(make: Callable[[int, bytes], bytes], *, acts: bool = True, ends: bool = False) -> Fault:
    """Respond with what `make` makes of status and body."""

    def fault(peer: Peer, status: int, body: bytes, act: Callable[[], None]) -> None:
        if acts:
            act()
        peer.sock.sendall(make(status, body))
        if ends:
            raise Gone

    return fault


def losing(lose: Callable[[Peer], object], *, acts: bool) -> Fault:
    """Lose the connection without a response."""

    def fault(peer: Peer, status: int, body: bytes, act: Callable[[], None]) -> None:
        if acts:
            act()
        lose(peer)
        raise Gone

    return fault


def close(peer: Peer) -> None:
    """Do nothing more."""


def plain(status: int, body: bytes) -> bytes:
    """Respond as the service does."""
    return http_response(status, body, length=status != 204)


def cut(make: Callable[[int, bytes], bytes], share: float) -> Callable[[int, bytes], bytes]:
    """Omit the end of a response."""

    def cut_response(status: int, body: bytes) -> bytes:
        data = make(status, body)
        return data[: int(len(data) * share)]

    return cut_response


def in_chunks(status: int, body: bytes) -> bytes:
    """Respond in chunks."""
    return chunked(body, status=status) if body else plain(status, body)


def zipped(status: int, body: bytes) -> bytes:
    """Respond with gzip."""
    return gzipped(body, status=status) if body else plain(status, body)


OTHERS: Final = http_response(200, image("somebody-elses"))
# How often each happens, in thousandths; the first kinds are no faults.
FAULTS: Final[dict[Fault, int]] = {
    replying(plain): 700,
    replying(in_chunks): 40,
    replying(zipped): 40,
    replying(lambda status, body: b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + plain(status, body)): 20,
    replying(lambda status, body: http_response(status, body, "Connection: close", length=status != 204), ends=True): 20,
    replying(lambda status, body: plain(status, body) + OTHERS): 20,
    replying(lambda status, body: http_response(503, b'{"message": "later"}', "Retry-After: 0"), acts=False): 20,
    replying(lambda status, body: http_response(429, b"", "Retry-After: 9999"), acts=False): 10,
    replying(lambda status, body: http_response(404, b'{"message": "none"}') + OTHERS, acts=False): 10,
    replying(lambda status, body: http_response(302, b"", "Location: https://elsewhere.example/"), acts=False): 5,
    losing(close, acts=False): 15,
    losing(close, acts=True): 15,
    losing(reset, acts=False): 15,
    losing(reset, acts=True): 15,
    losing(stall, acts=False): 1,
    losing(stall, acts=True): 1,
    replying(cut(plain, 0.9), ends=True): 10,
    replying(cut(plain, 0.05), ends=True): 5,
    replying(cut(in_chunks, 0.9), ends=True): 10,
    replying(cut(zipped, 0.9), ends=True): 5,
    replying(lambda status, body: b"garbage\r\n\r\n" + plain(status, body)): 4,
    replying(lambda status, body: http_response(status, body, "Content-Length: 7")): 4,
    replying(lambda status, body: http_response(status, body, "Content-Encoding: br")): 5,
    replying(lambda status, body: http_response(status, gzip.compress(b" " * 10**6), "Content-Encoding: gzip")): 5,
    replying(lambda status, body: plain(status, body)[:-1] + b"!" if body else plain(status, body)): 5,
}  # fmt: skip


def run_service(calls: int, seed: int, pipe: Connection) -> None:
    """Serve until told to stop, and report the counts."""
    service = Service(calls, seed)
    with FaultServer(otherwise=[service.serve]) as server:
        pipe.send(server.url)
        pipe.recv()
    pipe.send((bytes(service.arrived), bytes(service.acted), server.connections))


@dataclass
class Soak:
    """The client's side: the result of each call, and everything that went wrong."""

    api: oxide.ImagesApi
    calls: int
    threads: int
    came_to: bytearray = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.came_to = bytearray(self.calls)

    def run(self, first: int, last: int) -> None:
        """Make the calls with these numbers, from all threads."""
        threads = [
            threading.Thread(target=self._make_calls, args=(range(first + number, last, self.threads),))
            for number in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _make_calls(self, numbers: range) -> None:
        counts: Counter[str] = Counter()
        for number in numbers:
            try:
                self.came_to[number] = self._make_call(number)
                counts["result"] += 1
            except oxide.ApiException as error:
                self.came_to[number] = judge(error)
                counts[f"{type(error).__name__} ({error.outcome})"] += 1
                if not 1 <= len(error.attempts) <= 3:
                    self.problems.append(f"call {number}: {error.attempts}")
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is no exception of ours
                self.problems.append(f"call {number}: {error!r}")
        self.counts += counts

    def _make_call(self, number: int) -> int:
        name = f"call-{number}"
        options: Any = {"_headers": {"x-call": str(number)}, "_request_timeout": (5, 0.5)}
        operation = OPERATIONS[number % len(OPERATIONS)]
        if operation == "create":
            got = self.api.image_create({**NEW_IMAGE, "name": name}, **options).name
        elif operation == "delete":
            self.api.image_delete(name, **options)
            got = name
        elif operation == "demote":
            got = self.api.image_demote(name, "proj", **options).name
        elif operation == "list":
            got = self.api.image_list(**options).items[0].name
        elif operation == "promote":
            got = self.api.image_promote(name, **options).name
        else:
            got = self.api.image_view(name, **options).name
        if got != name:
            self.problems.append(f"call {number} got the response to {got}")
        return DONE

    def compare(self, arrived: bytes, acted: bytes) -> None:
        """Compare the client's results with the service's counts."""
        for number, came_to in enumerate(self.came_to):
            arrivals, acts = arrived[number], acted[number]
            read = OPERATIONS[number % len(OPERATIONS)] in READS
            right = {
                DONE: acts >= 1,
                REFUSED: read or acts == 0,
                ACTED: acts >= 1,
                UNKNOWN: True,
                NOT_SENT: read or arrivals == 0,
            }.get(came_to, False)
            if not right or arrivals > (3 if read else 1) or (not read and acts > 1):
                self.problems.append(f"call {number}: {came_to=}, {arrivals=}, {acts=}")


def judge(error: oxide.ApiException) -> int:
    """Return the result of a failed call."""
    if error.outcome == "not sent":
        return NOT_SENT
    if error.outcome == "unknown" or error.status is None:
        return UNKNOWN
    return ACTED if error.status < 300 else REFUSED


def resident() -> int:
    """Return the memory of this process, in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def soak(calls: int, threads: int, seed: int) -> list[str]:
    """Make the calls, print a summary, and return what went wrong."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    service = context.Process(target=run_service, args=(calls, seed, theirs))
    service.start()
    try:
        url = ours.recv()
        before = len(open_sockets()), threading.active_count()
        # The server asks for these waits; the client does not really sleep.
        client = oxide.ApiClient(
            oxide.Configuration(url, max_response_bytes=CAP), sleep=lambda _: None, jitter=lambda: 0.0
        )
        soaking = Soak(oxide.ImagesApi(client), calls, threads)
        started = time.monotonic()
        soaking.run(0, calls // 10)
        gc.collect()
        blocks, memory = sys.getallocatedblocks(), resident()
        soaking.run(calls // 10, calls)
        gc.collect()
        blocks, memory = sys.getallocatedblocks() - blocks, resident() - memory
        seconds = time.monotonic() - started
        kept = len(open_sockets()) - before[0]
        client.close()
        after = len(open_sockets()), threading.active_count()
        ours.send("stop")
        arrived, acted, connections = ours.recv()
    finally:
        ours.close()
        theirs.close()
        service.join(60)
        service.close()
    soaking.compare(arrived, acted)
    problems = soaking.problems
    if kept > threads:
        problems.append(f"{kept} connections kept for {threads} threads")
    if after != before:
        problems.append(f"sockets and threads before and after: {before}, {after}")
    # Pydantic alone keeps up to 16,384 strings that it has read. Anything that each call leaves adds to that.
    if blocks > 20_000:
        problems.append(f"{blocks} more blocks of memory")
    if memory > 8192:
        problems.append(f"{memory} KiB more of memory")
    print(f"{calls} calls from {threads} threads in {seconds:.1f} s ({calls / seconds:.0f}/s), seed {seed}")
    print(f"{sum(arrived)} requests over {connections} connections, {kept} kept; {sum(acted)} acted upon")
    print(f"after a tenth of the calls: {memory:+} KiB resident, {blocks:+} blocks")
    for what, count in soaking.counts.most_common():
        print(f"{count:8} {what}")
    return problems


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m transport.soak", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    problems = soak(arguments.calls, arguments.threads, arguments.seed)
    print(*problems[:50], sep="\n")
    print(f"{len(problems)} problems" if problems else "no problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
