"""Measures sixteen threads on one client against sixteen clients with one thread each."""

import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks._contenders import Contender, ours
from benchmarks._report import Ratio, Report
from benchmarks._servers import connections_made

_THREADS = 16
_CALLS = 100  # per thread


def measure(report: Report, port: int, rounds: int) -> None:
    """Add the rows for threads: throughput, and connections made."""
    base = f"http://127.0.0.1:{port}"
    before = connections_made(port)
    shared = ours(base)
    _throughput([shared] * _THREADS)
    connections = connections_made(port) - before - 1
    own = [ours(base) for _ in range(_THREADS)]
    best = {"shared": 0.0, "own": 0.0}
    for _ in range(rounds):
        best["own"] = max(best["own"], _throughput(own))
        best["shared"] = max(best["shared"], _throughput([shared] * _THREADS))
    report.add(
        f"{_THREADS} threads on one client, next to {_THREADS} clients",
        [f"{best[way]:.0f} calls/s" for way in ("own", "shared")],
        Ratio(best["own"] / best["shared"], at_most=1.10),
    )
    report.add(
        "connections of that, next to the threads",
        [str(_THREADS), str(connections)],
        Ratio(connections / _THREADS, at_most=1.0),
    )


def _throughput(contenders: list[Contender]) -> float:
    """Return the calls per second of one thread per contender, all started at once."""
    barrier = threading.Barrier(len(contenders) + 1)
    threads = [threading.Thread(target=_work, args=(contender.view, barrier)) for contender in contenders]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return len(contenders) * _CALLS / (time.perf_counter() - started)


def _work(view: Callable[[], Any], barrier: threading.Barrier) -> None:
    barrier.wait()
    for _ in range(_CALLS):
        view()
