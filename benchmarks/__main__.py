"""Measure the client against the floor and against a generated client, and uploads against uploads by hand.

The floor is the obvious code by hand: `urllib3.PoolManager.request` and plain pydantic models with the same fields. All
fetch the same bytes with the same headers from a cheap server. Each runs in a process of its own, and they take turns;
a ratio is the median of those of all pairs, and instructions are counted beside it.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks import _calls, _imports, _paging, _plot, _threads, _uploads
from benchmarks._generated import make_generated_client
from benchmarks._report import Table, write
from benchmarks._servers import running_server
from benchmarks._turns import Effort

_DOCS = Path(__file__).parents[1] / "docs"
_PARTS = ("calls", "ways", "uploads")


def main() -> int:
    """Measure what is asked for, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller files, no instructions")
    parser.add_argument(
        "--only",
        choices=_PARTS,
        action="append",
        metavar="PART",
        help=f"one of {', '.join(_PARTS)}; may be repeated",
    )
    parser.add_argument(
        "--write", action="store_true", help="put the results into docs/performance.md and its plot"
    )
    options = parser.parse_args()
    parts = options.only or _PARTS
    counting = not options.quick and shutil.which("valgrind") is not None
    if not counting:
        print("no instructions are counted: that needs valgrind, and no --quick", file=sys.stderr)
    tables: list[Table] = []
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        if "calls" in parts:
            with running_server("_server", "1") as port:
                table, costs = _calls_and_imports(
                    port, scratch, quick=options.quick, count_instructions=counting
                )
            tables.append(table)
            if options.write:
                _plot.draw(costs, _DOCS / "performance.svg")
        if "ways" in parts:
            table = Table("ways", "work", "compared with", "", "ratio")
            with running_server("_server", str(_paging.PAGES)) as port:
                _say("paging")
                _paging.measure(table, port, rounds=1 if options.quick else 5)
                _say("threads")
                _threads.measure(table, port, scratch, Effort(1, 3) if options.quick else Effort(3, 5))
            tables.append(table)
        if "uploads" in parts:
            _say("uploads")
            sizes = _uploads.QUICK if options.quick else _uploads.FULL
            tables.append(
                _uploads.measure(
                    scratch, sizes, rounds=2 if options.quick else 7, count_instructions=counting
                )
            )
    for table in tables:
        print(f"{table}\n")
    print(_conditions())
    if options.write:
        write(
            {table.name: str(table) for table in tables} | {"conditions": _conditions()},
            _DOCS / "performance.md",
        )
    return 0 if all(table.all_met for table in tables) else 1


def _calls_and_imports(
    port: int, scratch: Path, *, quick: bool, count_instructions: bool
) -> tuple[Table, _calls.Costs]:
    generated = make_generated_client(scratch)
    _say("calls")
    effort = Effort(1, 3) if quick else Effort(5, 4)
    table, costs = _calls.measure(port, generated, scratch, effort, count_instructions=count_instructions)
    _say("imports")
    _imports.measure(
        table, generated, scratch, rounds=3 if quick else 21, count_instructions=count_instructions
    )
    return table, costs


def _conditions() -> str:
    """Return what the measurements were made with."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("urllib3", "pydantic"))
    return f"Measured with {platform.python_implementation()} {platform.python_version()}, {packages}, on {os.cpu_count()} cores with {platform.system()}."


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
