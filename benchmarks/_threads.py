"""Measures sixteen threads on one client next to sixteen clients with one thread each."""

import statistics
from pathlib import Path

from benchmarks._report import Ratio, Table
from benchmarks._servers import connections_made
from benchmarks._turns import Effort, median_ratio, take_turns
from benchmarks._worker import CALLS, THREADS

_WAYS = ("own clients", "one client")


def measure(table: Table, port: int, scratch: Path, effort: Effort) -> None:
    """Add the rows for threads: throughput, and connections made."""
    before = connections_made(port)
    take_turns(["one client"], ["threads"], port, scratch, Effort(1, 1))
    connections = connections_made(port) - before - 1
    samples = take_turns(_WAYS, ["threads"], port, scratch, effort)["threads"]
    own, shared = ([sample.wall for sample in samples[way]] for way in _WAYS)
    table.add(
        f"time of {THREADS} threads on one client",
        *(
            f"{whose}{THREADS * CALLS / statistics.median(times):.0f} calls/s"
            for whose, times in ((f"{THREADS} clients: ", own), ("", shared))
        ),
        Ratio(median_ratio(shared, own), at_most=1.10),
    )
    table.add(
        "connections of that",
        f"threads: {THREADS}",
        str(connections),
        Ratio(connections / THREADS, at_most=1.0),
    )
