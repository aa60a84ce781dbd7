"""Measures fetching one image, and pages of all sizes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks._contenders import CONTENDERS
from benchmarks._report import Ratio, Report, milliseconds
from benchmarks._timing import Times, in_turn

# Images on a page, and the least ratio of the generated client's cost to ours; None is only for the plot.
_PAGES = {1: 1.1, 10: None, 30: None, 100: 1.7, 300: None, 1000: 1.8, 3000: None, 10_000: 1.8}

Costs = dict[str, dict[int, float]]


def measure(report: Report, port: int, rounds: int) -> Costs:
    """Add a row for each task with a target, and return the least time by contender and page size, in seconds."""
    base = f"http://127.0.0.1:{port}"
    contenders = {name: contender(base) for name, contender in CONTENDERS.items()}
    costs: Costs = {name: {} for name in contenders}
    views = {name: contender.view for name, contender in contenders.items()}
    _row(report, "`image_view`", views, rounds, 1.1)
    for size, target in _PAGES.items():
        pages = {name: partial(contender.page, size) for name, contender in contenders.items()}
        times = _row(report, _title(size), pages, rounds, target)
        for name, time in times.items():
            costs[name][size] = time.least
    compressed = {name: contender(f"{base}/gzip") for name, contender in CONTENDERS.items()}
    for size in (1, 1000):
        pages = {name: partial(contender.page, size) for name, contender in compressed.items()}
        _row(report, f"{_title(size)}, gzip", pages, rounds, 1.1)
    return costs


def _title(size: int) -> str:
    return f"`image_list`, {size:,} image{'s' * (size > 1)}"


def _row(
    report: Report, title: str, works: Mapping[str, Callable[[], Any]], rounds: int, target: float | None
) -> dict[str, Times]:
    times = in_turn(works, rounds)
    if target is not None:
        floor, ours, generated = (times[name] for name in ("floor", "ours", "generated"))
        cells = [milliseconds(time.least, time.median) for time in (floor, ours, generated)]
        report.add(
            title,
            cells,
            Ratio(ours.least / floor.least, at_most=1.10),
            Ratio(generated.least / ours.least, at_least=target),
        )
        report.note(title, ours.least_wall / floor.least_wall)
    return times
