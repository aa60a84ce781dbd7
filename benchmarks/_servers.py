"""Runs the cheap server in its own process."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_server(pages: int) -> Iterator[int]:
    """Run the server, with a listing of so many pages, and yield its port."""
    command = [sys.executable, "-m", "benchmarks._server", str(pages)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def connections_made(port: int) -> int:
    """Return how many connections the server has accepted, including the one that asks."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/connections") as answer:
        return int(answer.read())
