"""Measures imports, each in a fresh interpreter with cached byte code."""

import os
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks._instructions import counted
from benchmarks._report import Ratio, Table, milliseconds
from benchmarks._turns import in_turn, median_ratio

_TOUCH = "import {0}; [getattr({0}, name) for name in {0}.__all__]"
_PROGRAMS = {
    "floor": "import urllib3, benchmarks._plain_models",
    "ours": _TOUCH.format("oxide"),
    "generated": _TOUCH.format("generated_oxide"),
    "bare floor": "import urllib3, pydantic",
    "bare ours": "import oxide",
}


def measure(table: Table, generated: Path, scratch: Path, rounds: int, *, count_instructions: bool) -> None:
    """Add the rows for imports to the table of calls."""
    environment = os.environ | {
        "PYTHONPATH": str(generated),
        "PYTHONPYCACHEPREFIX": str(scratch / "byte-code"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    works = {name: partial(_cpu_time, program, environment) for name, program in _PROGRAMS.items()}
    in_turn(works, 1)  # writes the byte code
    times = in_turn(works, rounds)
    counts = dict.fromkeys(_PROGRAMS, 0)
    if count_instructions:
        for name, program in _PROGRAMS.items():
            marked = f"import os; os.getpriority(0, 0); {program}; os.getpriority(0, 0)"
            (counts[name],) = counted([sys.executable, "-c", marked], scratch, **environment)

    def ratios(
        one: str, other: str, at_most: float | None = None, at_least: float | None = None
    ) -> list[Ratio | None]:
        return [
            Ratio(median_ratio(times[one], times[other]), at_most, at_least),
            Ratio(counts[one] / counts[other], at_most, at_least) if count_instructions else None,
        ]

    cells = {name: milliseconds(statistics.median(found)) for name, found in times.items()}
    table.add(
        "import, and touch every public name",
        *(cells[name] for name in ("floor", "ours", "generated")),
        *ratios("ours", "floor", at_most=1.10),
        *ratios("generated", "ours", at_least=1.1),
    )
    table.add(
        "import alone",
        *(cells["bare floor"], cells["bare ours"], None),
        *ratios("bare ours", "bare floor", at_most=0.25),
        *(None, None),
    )


def _cpu_time(program: str, environment: dict[str, str]) -> float:
    timed = f"import time; before = time.process_time(); {program}; print(time.process_time() - before)"
    return float(subprocess.check_output([sys.executable, "-c", timed], env=environment, text=True))
