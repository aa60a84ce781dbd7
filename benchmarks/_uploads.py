"""Measures uploads of local files, next to uploads by hand."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks._instructions import counted
from benchmarks._report import Ratio, Table, short
from benchmarks._servers import running_server
from benchmarks._turns import in_turn, median_ratio

_MIB = 2**20
_PEAK_MEBIBYTES = 64


class Sizes(NamedTuple):
    """How large the files are, in MiB."""

    random: int
    sparse: int
    data: int  # of the sparse file
    zeros: int
    holes: tuple[int, int]
    counted: int  # for the instructions


FULL = Sizes(random=1024, sparse=8192, data=256, zeros=2048, holes=(1024, 512 * 1024), counted=256)
QUICK = Sizes(random=128, sparse=1024, data=64, zeros=256, holes=(1024, 64 * 1024), counted=16)


class _Run(NamedTuple):
    wall: float
    cpu: float
    peak: float


def measure(scratch: Path, sizes: Sizes, rounds: int, *, count_instructions: bool) -> Table:
    """Return the table of uploads."""
    table = Table("uploads", "work", "floor", "ours", "ours / floor")
    files = _Files(scratch, sizes)
    with running_server("_disk_server") as port:
        run = partial(_run, port)
        for title, file, mebibytes in (
            (f"{_size(sizes.random)} of random bytes", files.random, sizes.random),
            (f"{_size(sizes.sparse)} with {_size(sizes.data)} of data", files.sparse, sizes.data),
        ):
            runs = in_turn({way: partial(run, way, file) for way in ("floor", "ours")}, rounds)
            _add_upload(table, title, mebibytes, runs["floor"], runs["ours"])
        runs = in_turn(
            {"scan": partial(run, "scan", files.zeros), "ours": partial(run, "ours", files.zeros)}, rounds
        )
        _add_times(
            table, f"{_size(sizes.zeros)} of zeros; floor: read and compare", runs["scan"], runs["ours"]
        )
        short_one, long_one = files.holes
        runs = in_turn(
            {"short": partial(run, "ours", short_one), "long": partial(run, "ours", long_one)}, 3 * rounds
        )
        small, large = map(_size, sizes.holes)
        _add_times(table, f"{large} of holes; floor: ours with {small}", runs["short"], runs["long"])
        if count_instructions:
            counts = {way: _instructions(port, way, files.counted, scratch) for way in ("floor", "ours")}
            table.add(
                f"instructions of {_size(sizes.counted)} of random bytes",
                *(f"{found / 1e6:.0f} M" for found in counts.values()),
                Ratio(counts["ours"] / counts["floor"], at_most=1.10),
            )
    return table


def _add_upload(table: Table, title: str, mebibytes: int, floor: list[_Run], ours: list[_Run]) -> None:
    rates = [[mebibytes / run.wall for run in runs] for runs in (floor, ours)]
    table.add(
        f"{title}: throughput",
        *(f"{statistics.median(found):.0f} MiB/s" for found in rates),
        Ratio(median_ratio(rates[1], rates[0]), at_least=0.9),
    )
    seconds = [[run.cpu for run in runs] for runs in (floor, ours)]
    table.add(
        f"{title}: CPU time",
        *(f"{short(statistics.median(found))} s" for found in seconds),
        Ratio(median_ratio(seconds[1], seconds[0]), at_most=1.10),
    )
    peaks = [max(run.peak for run in runs) for runs in (floor, ours)]
    table.add(
        f"{title}: peak memory above an idle client, of {_PEAK_MEBIBYTES} MiB",
        *(f"{peak:.0f} MiB" for peak in peaks),
        Ratio(peaks[1] / _PEAK_MEBIBYTES, at_most=1.0),
    )


def _add_times(table: Table, title: str, floor: list[_Run], ours: list[_Run]) -> None:
    seconds = [[run.wall for run in runs] for runs in (floor, ours)]
    table.add(
        title,
        *(f"{short(statistics.median(found))} s" for found in seconds),
        Ratio(median_ratio(seconds[1], seconds[0]), at_most=1.25),
    )


class _Files:
    """The files to upload."""

    def __init__(self, scratch: Path, sizes: Sizes) -> None:
        self.random = _written(scratch / "random", sizes.random, lambda _: os.urandom(_MIB))
        self.counted = _written(scratch / "counted", sizes.counted, lambda _: os.urandom(_MIB))
        self.zeros = _written(scratch / "zeros", sizes.zeros, lambda _: bytes(_MIB))
        # Data at regular distances, in pieces of eight MiB.
        distance = sizes.sparse * 8 // sizes.data
        self.sparse = _written(
            scratch / "sparse", sizes.sparse, lambda place: os.urandom(_MIB) if place % distance < 8 else None
        )
        self.holes = [_written(scratch / f"holes-{size}", size, lambda _: None) for size in sizes.holes]


def _written(file: Path, mebibytes: int, content: Callable[[int], bytes | None]) -> Path:
    """Write a file of so many MiB, from what `content` gives for each; None leaves a hole."""
    with file.open("wb") as target:
        target.truncate(mebibytes * _MIB)
        for place in range(mebibytes):
            if data := content(place):
                target.seek(place * _MIB)
                target.write(data)
    return file


def _run(port: int, way: str, file: Path) -> _Run:
    return _Run(*json.loads(subprocess.check_output(_command(port, way, file))))


def _command(port: int, way: str, file: Path) -> list[str]:
    # None of the files boots, which our client would warn of.
    return [
        sys.executable,
        "-W",
        "ignore::UserWarning",
        "-m",
        "benchmarks._uploading",
        way,
        str(port),
        str(file),
    ]


def _instructions(port: int, way: str, file: Path, scratch: Path) -> int:
    (found,) = counted(_command(port, way, file), scratch)
    return found


def _size(mebibytes: int) -> str:
    return f"{mebibytes // 1024} GiB" if mebibytes >= 1024 else f"{mebibytes} MiB"
