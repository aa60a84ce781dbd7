"""Counts the user-space instructions of one call with valgrind, free of noise.

This is also the program that is measured. Valgrind dumps its count whenever the program enters the C function
`getpriority`, which nothing else calls.
"""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks._contenders import CONTENDERS
from benchmarks._report import Ratio, Report

_WARM_UP = 20
_CALLS = 10
_WORKS = ("one `image_view`", "one `image_list` of 100")


def measure(report: Report, port: int, generated: Path, scratch: Path) -> None:
    """Add the rows for instructions."""
    counts = {name: _count(name, port, generated, scratch / f"{name}.callgrind") for name in CONTENDERS}
    for number, title in enumerate(_WORKS):
        floor, ours, generated_count = (counts[name][number] for name in ("floor", "ours", "generated"))
        report.add(
            f"instructions of {title}",
            [f"{count / 1000:.0f} k" for count in (floor, ours, generated_count)],
            Ratio(ours / floor, at_most=1.10),
            Ratio(generated_count / ours, at_least=(1.1, 1.7)[number]),
        )


def _count(contender: str, port: int, generated: Path, output: Path) -> list[float]:
    """Return the instructions of one call for each task."""
    subprocess.run(
        [
            *("valgrind", "--quiet", "--tool=callgrind", "--dump-before=getpriority"),
            *(f"--callgrind-out-file={output}", sys.executable, "-m", "benchmarks._instructions"),
            *(str(port), contender),
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": str(generated), "PYTHONHASHSEED": "0"},
    )
    # The first dump is of everything before the first mark, the third of what is between the tasks.
    dumps = [output.with_name(f"{output.name}.{number}").read_text() for number in (2, 4)]
    totals = [next(line for line in dump.splitlines() if line.startswith("summary:")) for dump in dumps]
    return [int(total.split()[1]) / _CALLS for total in totals]


def _main(port: str, name: str) -> None:
    contender = CONTENDERS[name](f"http://127.0.0.1:{port}")
    for work in (contender.view, lambda: contender.page(100)):
        for _ in range(_WARM_UP):
            work()
        _mark()
        for _ in range(_CALLS):
            work()
        _mark()


def _mark() -> None:
    os.getpriority(os.PRIO_PROCESS, 0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
