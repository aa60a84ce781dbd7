"""Measures imports, each in a fresh interpreter with cached byte code."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks._report import Ratio, Report, milliseconds

_TOUCH = "import {0}; [getattr({0}, name) for name in {0}.__all__]"
_PROGRAMS = {
    "floor": "import urllib3, benchmarks._plain_models",
    "ours": _TOUCH.format("oxide"),
    "generated": _TOUCH.format("generated_oxide"),
    "bare floor": "import urllib3, pydantic",
    "bare ours": "import oxide",
}


def measure(report: Report, generated: Path, scratch: Path, rounds: int) -> None:
    """Add the rows for imports."""
    environment = os.environ | {
        "PYTHONPATH": str(generated),
        "PYTHONPYCACHEPREFIX": str(scratch / "byte-code"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    samples: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    for _ in range(rounds + 1):
        for name, program in _PROGRAMS.items():
            samples[name].append(_cpu_time(program, environment))
    # The first round only wrote the byte code.
    times = {name: found[1:] for name, found in samples.items()}
    cells = {name: milliseconds(min(found), statistics.median(found)) for name, found in times.items()}
    least = {name: min(found) for name, found in times.items()}
    report.add(
        "import, and touch every public name",
        [cells[name] for name in ("floor", "ours", "generated")],
        Ratio(least["ours"] / least["floor"], at_most=1.10),
        Ratio(least["generated"] / least["ours"], at_least=1.1),
    )
    report.add(
        "import alone",
        [cells["bare floor"], cells["bare ours"]],
        Ratio(least["bare ours"] / least["bare floor"], at_most=0.25),
    )


def _cpu_time(program: str, environment: dict[str, str]) -> float:
    timed = f"import time; before = time.process_time(); {program}; print(time.process_time() - before)"
    return float(subprocess.check_output([sys.executable, "-c", timed], env=environment, text=True))
