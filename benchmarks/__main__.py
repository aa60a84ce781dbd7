"""Measure the client against the floor and against a generated client, and draw `docs/performance.svg`.

The floor is the obvious code by hand: `urllib3.PoolManager.request` and plain pydantic models with the same fields. All
three fetch the same bytes with the same headers from one cheap server, in its own process, in turn over several
rounds. Ratios are of least CPU times, since other load on the machine only ever adds to a time.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import _calls, _imports, _instructions, _paging, _plot, _threads
from benchmarks._generated import make_generated_client
from benchmarks._report import Report
from benchmarks._servers import running_server

_PLOT = Path(__file__).parents[1] / "docs" / "performance.svg"


def main() -> int:
    """Measure everything, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no instruction counts, no plot")
    quick = parser.parse_args().quick
    report = Report()
    with tempfile.TemporaryDirectory() as scratch, running_server(pages=_paging.PAGES) as port:
        generated = make_generated_client(Path(scratch))
        sys.path.insert(0, str(generated))

        print("calls …", file=sys.stderr)
        costs = _calls.measure(report, port, rounds=4 if quick else 13)
        print("imports …", file=sys.stderr)
        _imports.measure(report, generated, Path(scratch), rounds=3 if quick else 21)
        print("paging …", file=sys.stderr)
        _paging.measure(report, port, rounds=1 if quick else 3)
        print("threads …", file=sys.stderr)
        _threads.measure(report, port, rounds=5 if quick else 11)
        if not quick:
            if shutil.which("valgrind"):
                print("instructions …", file=sys.stderr)
                _instructions.measure(report, port, generated, Path(scratch))
            else:
                print("no instruction counts: they need valgrind")
            _plot.draw(costs, _PLOT)
    report.print()
    return 0 if report.all_met else 1


if __name__ == "__main__":
    sys.exit(main())
