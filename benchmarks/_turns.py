"""Times contenders that take turns, each in a process of its own, and compares them pair by pair.

A disturbance affects neighbours in time alike, so each round gives a ratio, and the median of the ratios is the result.
Where things lie in the memory of a process changes its speed, so the processes are started several times.
"""

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

T = TypeVar("T")

# Seconds that a sample takes at least: long enough for each to bear an average share of garbage collection.
_SAMPLE = 0.2
_WARM_UP = 4


class Effort(NamedTuple):
    """How often processes are started, and how many rounds each lot of them takes."""

    launches: int
    rounds: int


class Sample(NamedTuple):
    """Seconds for one repetition of a task."""

    cpu: float
    wall: float


class _Worker:
    """One process of a contender."""

    def __init__(self, kind: str, port: int, generated: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._worker", kind, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(generated)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def run(self, task: str, repeats: int) -> Sample:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{task} {repeats}\n")
        self._process.stdin.flush()
        cpu, wall = map(float, self._process.stdout.readline().split())
        return Sample(cpu / repeats, wall / repeats)

    def repeats(self, task: str) -> int:
        """Warm up, and return how many repetitions make a sample."""
        self.run(task, _WARM_UP)
        return math.ceil(_SAMPLE / self.run(task, 1).wall)


def take_turns(
    kinds: Sequence[str], tasks: Iterable[str], port: int, generated: Path, effort: Effort
) -> dict[str, dict[str, list[Sample]]]:
    """Return the samples by task and contender, those of a round in the same place of each list."""
    found: dict[str, dict[str, list[Sample]]] = {task: {kind: [] for kind in kinds} for task in tasks}
    for _ in range(effort.launches):
        with ExitStack() as stack:
            workers = {kind: stack.enter_context(_Worker(kind, port, generated)) for kind in kinds}
            for task, samples in found.items():
                repeats = max(worker.repeats(task) for worker in workers.values())
                works = {kind: partial(worker.run, task, repeats) for kind, worker in workers.items()}
                for kind, some in in_turn(works, effort.rounds).items():
                    samples[kind] += some
    return found


def in_turn(works: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Do each of `works` once per round, every second round in reverse order; return their results."""
    found: dict[str, list[T]] = {name: [] for name in works}
    for number in range(rounds):
        for name in works if number % 2 else reversed(list(works)):
            found[name].append(works[name]())
    return found


def median_ratio(numerators: Iterable[float], denominators: Iterable[float]) -> float:
    """Return the median of the ratios, pair by pair."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))
