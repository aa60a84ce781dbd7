"""Measures fetching one image, and pages of all sizes."""

import statistics
from collections.abc import Iterable
from pathlib import Path

from benchmarks._contenders import CONTENDERS
from benchmarks._instructions import count
from benchmarks._report import Ratio, Table, milliseconds
from benchmarks._turns import Effort, Sample, median_ratio, take_turns

# Images on a page, and the least ratio of the generated client's cost to ours; None is only for the plot.
_PAGES = {1: 1.1, 10: None, 30: None, 100: 1.7, 300: None, 1000: 1.8, 3000: None, 10_000: 1.8}
_TARGETS = {
    "view": 1.1,
    **{f"page {size}": target for size, target in _PAGES.items()},
    "gzip page 1": 1.1,
    "gzip page 1000": 1.1,
}

Costs = dict[str, dict[int, float]]


def measure(
    port: int, generated: Path, scratch: Path, effort: Effort, *, count_instructions: bool
) -> tuple[Table, Costs]:
    """Return a row for each task with a target, and the median CPU time by contender and page size, in seconds."""
    samples = take_turns(list(CONTENDERS), _TARGETS, port, generated, effort)
    targets = {task: target for task, target in _TARGETS.items() if target is not None}
    counts: dict[str, dict[str, float]] = {}
    if count_instructions:
        of = {name: count(name, targets, port, generated, scratch) for name in CONTENDERS}
        counts = {task: {name: of[name][task] for name in CONTENDERS} for task in targets}
    table = Table(
        "calls", "work", *CONTENDERS, "ours / floor", "instructions", "generated / ours", "instructions"
    )
    for task, target in targets.items():
        cpu = {name: _cpu(samples[task][name]) for name in CONTENDERS}
        table.add(
            _title(task),
            *(milliseconds(statistics.median(times)) for times in cpu.values()),
            Ratio(median_ratio(cpu["ours"], cpu["floor"]), at_most=1.10),
            _counted(counts.get(task), "ours", "floor", at_most=1.05),
            Ratio(median_ratio(cpu["generated"], cpu["ours"]), at_least=target),
            _counted(counts.get(task), "generated", "ours", at_least=target),
        )
    costs = {
        name: {size: statistics.median(_cpu(samples[f"page {size}"][name])) for size in _PAGES}
        for name in CONTENDERS
    }
    return table, costs


def _counted(
    counts: dict[str, float] | None,
    one: str,
    other: str,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Ratio | None:
    return None if counts is None else Ratio(counts[one] / counts[other], at_most, at_least)


def _cpu(samples: Iterable[Sample]) -> list[float]:
    return [sample.cpu for sample in samples]


def _title(task: str) -> str:
    *compressed, kind = task.rstrip("0123456789 ").split()
    if kind == "view":
        return "`image_view`"
    size = int(task.split()[-1])
    return f"`image_list`, {size:,} image{'s' * (size > 1)}{', gzip' * bool(compressed)}"
