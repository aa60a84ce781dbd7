"""Counts instructions in user space with valgrind: exact where times are not.

Valgrind dumps its count whenever the program enters the C function `getpriority`, before and after what counts.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

# So many that each bears an average share of full garbage collections.
_REPEATS = {"0000": 15, "000": 40, "00": 100, "": 300}


def count(
    contender: str, tasks: Iterable[str], port: int, generated: Path, scratch: Path
) -> dict[str, float]:
    """Return the instructions of one repetition of each task."""
    repeats = {task: next(many for end, many in _REPEATS.items() if task.endswith(end)) for task in tasks}
    lines = "".join(f"{task} {many}\n{task} {many}\n" for task, many in repeats.items())
    command = [sys.executable, "-m", "benchmarks._worker", contender, str(port)]
    counts = counted(command, scratch, lines, PYTHONPATH=str(generated))
    # Between the marks of the first line of each task was its warm-up.
    return {task: found / many for found, (task, many) in zip(counts[1::2], repeats.items(), strict=True)}


def counted(command: Sequence[str], scratch: Path, lines: str = "", **environment: str) -> list[int]:
    """Run a program, and return the instructions between its marks: first and second, third and fourth, and so on."""
    output = scratch / "callgrind"
    for old in scratch.glob(f"{output.name}.*"):
        old.unlink()
    subprocess.run(
        [
            *("valgrind", "--quiet", "--tool=callgrind", "--dump-before=getpriority"),
            *(f"--callgrind-out-file={output}", *command),
        ],
        input=lines,
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "0"} | environment,
    )
    # The first dump is of everything before the first mark.
    marks = len(list(scratch.glob(f"{output.name}.*")))
    return [_total(output.with_name(f"{output.name}.{number}")) for number in range(2, marks + 1, 2)]


def _total(dump: Path) -> int:
    line = next(line for line in dump.read_text().splitlines() if line.startswith("summary:"))
    return int(line.split()[1])
