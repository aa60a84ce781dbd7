"""`python -m oxide.testing`, as a shell or a CI job runs it."""

import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import without_coverage
from simulator_http import Caller

import oxide
from oxide import ImagesApi
from oxide.testing import Simulator


class Running:
    """A program that has said where it listens; a `Caller` can call it like a simulator."""

    def __init__(self, process: subprocess.Popen[str]):
        assert process.stdout
        self.process = process
        self.output = process.stdout
        self.greeting = ""
        # A blank line comes before the exports and another one after them.
        while self.greeting.count("\n\n") < 2:
            line = self.output.readline()
            assert line, "the program ended"
            self.greeting += line
        exports = dict(re.findall(r"^export (\w+)='?([^'\s]+)'?$", self.greeting, re.MULTILINE))
        self.url: str = exports["OXIDE_HOST"]
        self.token: str = exports["OXIDE_TOKEN"]
        self.snapshot: str | None = exports.get("SNAPSHOT_ID")

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


def fail(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program, which has to end by itself."""
    command = [sys.executable, "-W", "error", "-m", "oxide.testing", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def image_of(snapshot: str | None) -> dict[str, object]:
    """Return the request body for an image of a snapshot."""
    source = {"type": "snapshot", "id": snapshot}
    return {"name": "new", "description": "", "os": "", "version": "", "source": source}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_logs_and_stops(number: signal.Signals) -> None:
    with run() as running:
        assert running.url.startswith("http://127.0.0.1:")
        assert running.snapshot is None
        with contextlib.closing(Caller(running)) as call:
            assert call("GET", "/v1/images?limit=5").json == {"next_page": None, "items": []}
            assert call("PUT", "/v1/images").status == 405
            # A connection is still open here.
            status, log = running.stop(number)
    assert status == 0
    lines = [re.sub(r"^\S+ \S+ |[\d.]+ ms$", "", line) for line in log.splitlines()]
    assert lines == ["GET /v1/images?limit=5 200 ", "PUT /v1/images 405 "]
    assert running.token not in log


def test_database_and_token_survive_a_restart_of_the_program(tmp_path: Path) -> None:
    database = str(tmp_path / "state.db")
    with run("--database", database, "--demo", "--token", "oxide-token-mine") as running:
        assert running.token == "oxide-token-mine"
        with contextlib.closing(Caller(running)) as call:
            assert call("DELETE", "/v1/images/debian-12?project=my-project").status == 204
        snapshot = running.snapshot
        assert running.stop(signal.SIGTERM)[0] == 0
    with run("--database", database, "--demo") as running:
        assert running.token == "oxide-token-mine"
        assert running.snapshot == snapshot is not None
        with contextlib.closing(Caller(running)) as call:
            assert call("GET", "/v1/images?project=my-project").names == ["alpine-edge"]
        assert running.stop(signal.SIGTERM)[0] == 0


def test_the_demo_creates_what_it_prints() -> None:
    with run("--demo") as running, contextlib.closing(Caller(running)) as call:
        created = call("POST", "/v1/images?project=my-project", image_of(running.snapshot))
        assert created.status == 201
        # Not every project has the snapshot.
        assert call("POST", "/v1/images?project=other-project", image_of(running.snapshot)).status == 400
        images = {
            scope: [
                (image["name"], image["os"], image["version"]) for image in call("GET", target).json["items"]
            ]
            for scope, target in (
                ("silo", "/v1/images"),
                ("my-project", "/v1/images?project=my-project"),
                ("other-project", "/v1/images?project=other-project"),
            )
        }
        assert images == {
            "silo": [("ubuntu-24-04", "ubuntu", "24.04")],
            "my-project": [("alpine-edge", "alpine", "edge"), ("debian-12", "debian", "12"), ("new", "", "")],
            "other-project": [],
        }
        told = running.output.readline()
        for name in (
            "my-project",
            "other-project",
            "my-snapshot",
            "alpine-edge",
            "debian-12",
            "ubuntu-24-04",
        ):
            assert re.search(rf"\b{name}\b", told)


def test_the_demo_keeps_what_a_database_has(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    with Simulator(database=database) as simulator:
        simulator.create_project("my-project")
        simulator.create_project("web")
        simulator.create_image("debian-12", "my-project", version="mine")
        simulator.create_snapshot("my-snapshot", "web")
    with run("--database", str(database), "--demo") as running, contextlib.closing(Caller(running)) as call:
        assert call("POST", "/v1/images?project=my-project", image_of(running.snapshot)).status == 201
        assert call("GET", "/v1/images?project=my-project").names == ["alpine-edge", "debian-12", "new"]
        assert call("GET", "/v1/images/debian-12?project=my-project").json["version"] == "mine"


@pytest.mark.parametrize(
    ("host", "called"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_the_program_prints_a_url_that_the_client_accepts(host: str, called: str) -> None:
    with run("--host", host) as running:
        assert running.url.rpartition(":")[0] == f"http://{called}"
        with ImagesApi.from_environment(running.url, running.token) as images:
            assert images.image_list().items == []


@pytest.mark.parametrize("port", ["65536", "99999", "-1", "http", ""])
def test_an_invalid_port_is_refused(port: str) -> None:
    failed = fail("--port", port)
    assert failed.returncode == 2
    assert failed.stderr.endswith(f"argument --port: a port must be a number from 0 to 65535, not {port!r}\n")


@pytest.mark.parametrize("content", [None, "no database" * 100])
def test_an_error_names_a_database_that_cannot_be_used(content: str | None, tmp_path: Path) -> None:
    database = tmp_path / "missing" / "state.db"
    if content is not None:
        database.parent.mkdir()
        database.write_text(content)
    failed = fail("--database", str(database))
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"The simulator cannot start: {database}: ")


def test_the_program_says_why_it_cannot_start() -> None:
    with run() as running:
        port = running.url.rpartition(":")[2]
        for arguments in (["--port", port], ["--token", "mine"]):
            failed = fail(*arguments)
            assert failed.returncode == 1
            assert failed.stderr.startswith("The simulator cannot start: ")
            assert len(failed.stderr.splitlines()) == 1


@pytest.mark.parametrize("missing", ["h11", "oxide.testing._server"])
def test_the_program_says_in_one_line_what_to_install(missing: str) -> None:
    program = f"import sys, runpy; sys.modules[{missing!r}] = None; runpy.run_module('oxide.testing', run_name='__main__')"
    command = [sys.executable, "-W", "error", "-c", program]
    checkout = Path(__file__).parents[2]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=checkout)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        f"The simulator cannot start, for want of {missing}. To install what it needs: "
        f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(f'{checkout}[testing]')}\n"
    )


def test_outside_a_checkout_the_program_names_the_missing_packages(tmp_path: Path) -> None:
    """Another project on the package index has the name of this package."""
    shutil.copytree(Path(oxide.__file__).parent, tmp_path / "oxide")
    program = (
        "import sys, runpy; sys.modules['h11'] = None; runpy.run_module('oxide.testing', run_name='__main__')"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    # Coverage would count the copy as well.
    failed = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=tmp_path,
        env=without_coverage(),
    )
    installed = failed.stderr.partition("pip install ")[2]
    assert "h11>=" in installed
    assert "trustme>=" in installed
    assert "oxide" not in installed
