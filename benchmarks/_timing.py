"""Times several tasks in turn, so that a disturbance affects all of them."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# Seconds that one sample should take: long enough for each to bear an average share of garbage collection.
_SAMPLE = 0.15
_WARM_UP = 3


class Times(NamedTuple):
    """Seconds per call: the least and the median CPU time of all rounds, and the least wall-clock time."""

    least: float
    median: float
    least_wall: float


def in_turn(works: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Times]:
    """Time each of `works` once per round, every second round in reverse order."""
    names = list(works)
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    repeats = 1
    for work in works.values():
        for _ in range(_WARM_UP):
            started = time.perf_counter()
            work()
        repeats = max(repeats, round(_SAMPLE / (time.perf_counter() - started)))
    # No contender pays for garbage collection of what the others have imported.
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            samples[name].append(_sample(works[name], repeats))
    gc.unfreeze()
    return {name: _times(found) for name, found in samples.items()}


def _sample(work: Callable[[], Any], repeats: int) -> tuple[float, float]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - cpu) / repeats, (time.perf_counter() - wall) / repeats


def _times(samples: list[tuple[float, float]]) -> Times:
    cpu, wall = zip(*samples, strict=True)
    return Times(min(cpu), statistics.median(cpu), min(wall))
