"""Runs the cheap servers, each in its own process."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_server(module: str, *arguments: str) -> Iterator[int]:
    """Run a module of the benchmark that serves until its standard input ends, and yield its port."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def connections_made(port: int) -> int:
    """Return how many connections the server of images has accepted, including the one that asks."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/connections") as response:
        return int(response.read())
