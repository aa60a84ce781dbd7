"""`python -m oxide.testing`, as a shell or a CI job runs it."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from simulator_http import Caller


class Running:
    """A program that has said where it listens; a `Caller` can call it like a simulator."""

    def __init__(self, process: subprocess.Popen[str]):
        assert process.stdout
        self.process = process
        self.greeting = ""
        while "OXIDE_TOKEN" not in self.greeting:
            line = process.stdout.readline()
            assert line, "the program ended"
            self.greeting += line
        exports = dict(re.findall(r"^export (\w+)=(\S+)$", self.greeting, re.MULTILINE))
        self.url: str = exports["OXIDE_HOST"]
        self.token: str = exports["OXIDE_TOKEN"]

    def stop(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal and return the exit status and what was logged."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log


@contextmanager
def run(*arguments: str) -> Iterator[Running]:
    """Run the program."""
    command = [sys.executable, "-W", "error", "-m", "oxide.testing", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_logs_and_stops(number: signal.Signals) -> None:
    with run() as running:
        assert running.url.startswith("http://127.0.0.1:")
        with contextlib.closing(Caller(running)) as call:
            assert call("GET", "/v1/images?limit=5").json == {"next_page": None, "items": []}
            assert call("PUT", "/v1/images").status == 405
            # A connection is still open here.
            status, log = running.stop(number)
    assert status == 0
    lines = [re.sub(r"^\S+ \S+ |[\d.]+ ms$", "", line) for line in log.splitlines()]
    assert lines == ["GET /v1/images?limit=5 200 ", "PUT /v1/images 405 "]
    assert running.token not in log


def test_database_and_token_outlive_it(tmp_path: Path) -> None:
    database = str(tmp_path / "state.db")
    with run("--database", database, "--demo", "--token", "oxide-token-mine") as running:
        assert running.token == "oxide-token-mine"
        with contextlib.closing(Caller(running)) as call:
            assert call("DELETE", "/v1/images/alpine-edge").status == 204
        assert running.stop(signal.SIGTERM)[0] == 0
    with run("--database", database, "--demo") as running:
        assert running.token == "oxide-token-mine"
        with contextlib.closing(Caller(running)) as call:
            assert call("GET", "/v1/images").names == ["debian-13"]
            assert call("GET", "/v1/images?project=web").names == ["nginx"]
            assert call("GET", "/v1/images?project=database").names == ["postgresql"]
        assert running.stop(signal.SIGTERM)[0] == 0


def test_it_says_why_it_cannot_start(tmp_path: Path) -> None:
    with run() as running:
        port = running.url.rpartition(":")[2]
        for arguments in (["--port", port], ["--token", "mine"], ["--database", str(tmp_path)]):
            command = [sys.executable, "-W", "error", "-m", "oxide.testing", *arguments]
            failed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            assert failed.returncode == 1
            assert failed.stderr.startswith("The simulator cannot start: ")
            assert len(failed.stderr.splitlines()) == 1
