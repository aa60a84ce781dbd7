"""A contender in a process of its own, run as a program: it reads tasks from standard input and prints their times.

A line is a task and how often to do it: `view 100`, `page 1000 8`, `gzip page 1000 8`, `threads 1`. The answer is the
CPU time and the wall-clock time, in seconds. Before and after, the program enters the C function `getpriority`, which
nothing else calls: a mark for valgrind, see `_instructions`.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks._contenders import CONTENDERS, Contender, ours

THREADS = 16
CALLS = 100  # of each thread


def _threads(contenders: list[Contender]) -> None:
    """Have one thread for each contender view an image many times, all at once."""

    def work(view: Callable[[], Any]) -> None:
        for _ in range(CALLS):
            view()

    threads = [threading.Thread(target=work, args=(contender.view,)) for contender in contenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _tasks(kind: str, base: str) -> Callable[[str], Callable[[], Any]]:
    """Return what makes a task of its name."""
    if kind in ("one client", "own clients"):
        clients = [ours(base)] * THREADS if kind == "one client" else [ours(base) for _ in range(THREADS)]
        return lambda _: lambda: _threads(clients)
    plain, compressed = CONTENDERS[kind](base), CONTENDERS[kind](f"{base}/gzip")

    def task(name: str) -> Callable[[], Any]:
        words = name.split()
        contender = compressed if words[0] == "gzip" else plain
        if words[-1] == "view":
            return contender.view
        size = int(words[-1])
        return lambda: contender.page(size)

    return task


def mark() -> None:
    """Enter the function that valgrind looks out for."""
    os.getpriority(os.PRIO_PROCESS, 0)


def _main(kind: str, port: str) -> None:
    tasks = _tasks(kind, f"http://127.0.0.1:{port}")
    for line in sys.stdin:
        name, repeats = line.rsplit(maxsplit=1)
        work = tasks(name)
        mark()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(repeats)):
            work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        mark()
        print(cpu, wall, flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
